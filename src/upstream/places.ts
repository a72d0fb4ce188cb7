import { ProxyError } from '../errors.js';

/** So many at a time for each key; whoever comes later waits for a place, first come first served. */
export interface Places {
  /** Resolves with what gives the place back, to be called once. Rejects with `client-gone` when the signal aborts first. */
  take(key: string, most: number, signal?: AbortSignal): Promise<() => void>;
  /** How many wait, whatever for. */
  readonly waiting: number;
}

interface Queue {
  used: number;
  readonly waiting: Set<() => void>;
}

export function createPlaces(): Places {
  const queues = new Map<string, Queue>();

  function giveBack(key: string, queue: Queue): void {
    queue.used -= 1;
    const [next] = queue.waiting;
    if (next) next();
    else if (queue.used === 0) queues.delete(key);
  }

  function placeIn(key: string, queue: Queue): () => void {
    queue.used += 1;
    let held = true;
    return () => {
      if (held) giveBack(key, queue);
      held = false;
    };
  }

  return {
    take(key, most, signal) {
      const queue = queues.get(key) ?? { used: 0, waiting: new Set() };
      queues.set(key, queue);
      if (queue.used < most) return Promise.resolve(placeIn(key, queue));
      return new Promise((resolve, reject) => {
        const turn = (): void => {
          leave();
          resolve(placeIn(key, queue));
        };
        const gone = (): void => {
          leave();
          reject(new ProxyError('client-gone', 'the client went away'));
        };
        function leave(): void {
          queue.waiting.delete(turn);
          signal?.removeEventListener('abort', gone);
        }
        queue.waiting.add(turn);
        signal?.addEventListener('abort', gone, { once: true });
        if (signal?.aborted) gone();
      });
    },
    get waiting() {
      return [...queues.values()].reduce((sum, queue) => sum + queue.waiting.size, 0);
    },
  };
}
