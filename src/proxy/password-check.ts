import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import type { compareSync } from 'bcryptjs';
import { ProxyError } from '../errors.js';

/** Compares passwords with bcrypt hashes on a thread of its own, one after the other. */
export interface PasswordCheck {
  /** False for a hash that is none, too. Rejects with `internal` where the thread has failed. */
  compare(password: string, hash: string): Promise<boolean>;
  close(): Promise<void>;
}

interface Asked {
  resolve(fits: boolean): void;
  reject(error: ProxyError): void;
}

// What the thread runs, with the place of bcryptjs as its data. It is text, and no file beside this one, because the
// loaders under which tests run the sources do not reach into threads. A comparison takes 50 ms and more of CPU.
const THREAD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { compareSync } = require(workerData);
  parentPort.on('message', ({ id, password, hash }) => {
    let fits = false;
    try {
      fits = compareSync(password, hash);
    } catch {}
    parentPort.postMessage({ id, fits });
  });
`;

/** What the thread sends back: what `compareSync` of the library gave. */
interface Compared {
  readonly id: number;
  readonly fits: ReturnType<typeof compareSync>;
}

/** Starts the thread when it is first needed, and again after it has failed. It keeps no process alive. */
export function createPasswordCheck(): PasswordCheck {
  const open = new Map<number, Asked>();
  let worker: Worker | undefined;
  let last = 0;

  function start(): Worker {
    const started = new Worker(THREAD, { eval: true, workerData: createRequire(import.meta.url).resolve('bcryptjs') });
    started.unref();
    started.on('message', ({ id, fits }: Compared) => {
      open.get(id)?.resolve(fits);
      open.delete(id);
    });
    started.on('error', (error) => giveUp(error));
    started.on('exit', () => giveUp(undefined));
    return started;
  }

  function giveUp(cause: unknown): void {
    worker = undefined;
    const error = new ProxyError('internal', 'passwords could not be compared', { cause });
    for (const asked of open.values()) asked.reject(error);
    open.clear();
  }

  return {
    compare: (password, hash) =>
      new Promise((resolve, reject) => {
        worker ??= start();
        last += 1;
        open.set(last, { resolve, reject });
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
        worker.postMessage({ id: last, password, hash });
      }),
    close: async () => {
      await worker?.terminate();
    },
  };
}
