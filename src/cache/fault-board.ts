import type { ProxyError } from '../errors.js';
import type { StoreEvents } from './contract.js';

/** The parts of the store that can fail by themselves. */
export type StorePart = 'folder' | 'reading' | 'writing' | 'index' | 'facts';

/** Which parts of the store are failing now, for readiness. */
export interface FaultBoard {
  /** The standing faults in words, or undefined when all is well. */
  readonly current: string | undefined;
  has(part: StorePart): boolean;
  /** Counts a fault and lets it stand until the part is cleared. */
  report(part: StorePart, fault: ProxyError): void;
  /** Says that the part has just worked. */
  clear(part: StorePart): void;
}

export function createFaultBoard(events: StoreEvents): FaultBoard {
  const standing = new Map<StorePart, string>();
  return {
    get current() {
      return standing.size === 0 ? undefined : [...standing.values()].join('; ');
    },
    has: (part) => standing.has(part),
    report(part, fault) {
      standing.set(part, fault.message);
      events.fault(fault);
    },
    clear(part) {
      standing.delete(part);
    },
  };
}
