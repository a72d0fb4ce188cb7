import { readFile } from 'node:fs/promises';

/** A turn of a program's event loop that took long. */
interface Turn {
  /** Its end, milliseconds since the epoch. */
  readonly at: number;
  readonly ms: number;
  /** How long it had a processor; the rest it waited for one (`waitedMs`), for the disk, or for another thread. */
  readonly ranMs: number;
  readonly waitedMs: number;
}

/** The longest of the turns within a time. */
export interface LongestTurns {
  readonly ms: number;
  /** Without the wait for a processor, which on a machine that others use, too, says nothing of the program. */
  readonly ownMs: number;
  readonly ranMs: number;
}

/** What has Node write the long turns of a program into a file. Linux only. */
export function turnWatch(file: string): string {
  const watch = new URL('turn-watch.mjs', import.meta.url);
  watch.searchParams.set('to', file);
  return `--import=${watch.href}`;
}

/** The longest of the turns that ended between two times. */
export async function longestTurns(file: string, from: number, until: number): Promise<LongestTurns> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const turns = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Turn)
    .filter(({ at }) => at >= from && at <= until);
  const most = (of: (turn: Turn) => number): number => Math.max(0, ...turns.map(of));
  return {
    ms: most(({ ms }) => ms),
    ownMs: most(({ ms, waitedMs }) => ms - waitedMs),
    ranMs: most(({ ranMs }) => ranMs),
  };
}
