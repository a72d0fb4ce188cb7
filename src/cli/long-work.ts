import type { Work } from '../inventory/contract.js';
import type { CommandIo } from './command.js';

/** What a shell says of a process that an interrupt ended. */
export const INTERRUPTED = 130;

/** Runs long work with a progress bar; an interrupt ends it. Gives undefined where it was interrupted without a result. */
export async function runLongWork<T>(
  io: CommandIo,
  doing: string,
  task: (work: Required<Work>) => Promise<T>,
): Promise<{ readonly value: T; readonly interrupted: boolean } | undefined> {
  const { createProgressBar } = await import('./progress-bar.js');
  const ending = new AbortController();
  const bar = createProgressBar(io, doing);
  const forget = io.onSignal(() => ending.abort());
  try {
    const value = await task({
      signal: ending.signal,
      onProgress: ({ share, text }) => bar.show(share, text),
    });
    return { value, interrupted: ending.signal.aborted };
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    return undefined;
  } finally {
    forget();
    bar.stop();
  }
}
