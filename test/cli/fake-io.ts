import type { CommandIo, Signal } from '../../src/cli/command.js';

export interface FakeIo extends CommandIo {
  readonly written: { out: string; error: string };
  readonly exits: number[];
  /** Listeners for signals that are set at present. */
  readonly listeners: Set<(signal: Signal) => void>;
  signal(signal: Signal): void;
}

/** The process as a command sees it, kept in memory. */
export function createFakeIo(change: Partial<Pick<CommandIo, 'env' | 'cwd' | 'isTerminal'>> = {}): FakeIo {
  const written = { out: '', error: '' };
  const exits: number[] = [];
  const listeners = new Set<(signal: Signal) => void>();
  return {
    env: { HOME: '/home/u' },
    cwd: '/work',
    isTerminal: false,
    ...change,
    written,
    exits,
    listeners,
    isRead: () => true,
    out: (text) => {
      written.out += text;
    },
    error: (text) => {
      written.error += text;
    },
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exit: (code) => {
      exits.push(code);
    },
    signal: (signal) => {
      for (const listener of listeners) listener(signal);
    },
  };
}
