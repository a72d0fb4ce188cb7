import { hash, randomBytes } from 'node:crypto';
import fs, { type FileHandle } from 'node:fs/promises';
import { decodeLine, type FactRecord, isHead, readLines } from './facts-lines.js';
import { errorCode } from './file-system.js';
import { NumberTable } from './number-table.js';
import { createStepper } from './stepper.js';

/** Lines between two looks at whether others should have their turn. */
const STEP_LINES = 50;
/** Facts that are given at once; an index makes one transaction of them. */
const TAKEN_AT_ONCE = 500;

export interface ReplayOptions {
  /** Takes facts that hold, and with `takenBack` those that do no longer. Each is given once, with its last value. */
  readonly take: (facts: readonly FactRecord[]) => Promise<unknown> | void;
  /** Gives facts without a value as well. */
  readonly takenBack?: boolean;
  /** What stands before this place is not read; the file's beginning by default. */
  readonly startBytes?: number;
  /** What stands behind this place is not read; the whole file by default. */
  readonly endBytes?: number;
  /** Hears how much is done, from 0 to 1. */
  readonly onShare?: (share: number) => void;
  readonly stopped?: () => boolean;
}

/** What stood in a log when it was read. */
export interface Replay {
  readonly facts: number;
  /** Lines that were torn or damaged, and left out. */
  readonly badLines: number;
  /** False where `stopped` ended it early. */
  readonly whole: boolean;
}

/**
 * Reads a log of facts in two passes: the first finds the last line of each fact, the second gives the facts of those
 * lines. So a fact that was taken back is never given, not even for a moment, and memory is needed for one number of
 * each fact and not for the facts. A missing log is an empty one; a bad line is counted and skipped.
 */
export async function replayFacts(file: string, options: ReplayOptions): Promise<Replay> {
  let handle: FileHandle;
  try {
    handle = await fs.open(file, 'r');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { facts: 0, badLines: 0, whole: true };
    throw error;
  }
  try {
    return await replayOpen(
      handle,
      Math.min(options.endBytes ?? Number.POSITIVE_INFINITY, (await handle.stat()).size),
      options,
    );
  } finally {
    await handle.close();
  }
}

async function replayOpen(handle: FileHandle, endBytes: number, options: ReplayOptions): Promise<Replay> {
  const { take, onShare, stopped, startBytes, takenBack = false } = options;
  const step = createStepper();
  // Somebody who chooses the names of repositories must not be able to make two facts meet.
  const salt = randomBytes(16).toString('hex');
  const lastOffsets = new NumberTable();
  let badLines = 0;
  let facts = 0;
  for await (const lines of readLines(handle, endBytes, startBytes)) {
    for (const [n, { text, offset }] of lines.entries()) {
      if (n % STEP_LINES === 0) await step();
      const record = text === undefined ? undefined : decodeLine(text);
      if (record === undefined) badLines += 1;
      else if (!isHead(record)) lastOffsets.set(idOf(record, salt), offset);
    }
    if (stopped?.() === true) return { facts, badLines, whole: false };
    onShare?.((lines[0]?.offset ?? 0) / endBytes / 2);
  }
  for await (const lines of readLines(handle, endBytes, startBytes)) {
    let holding: FactRecord[] = [];
    for (const [n, { text, offset }] of lines.entries()) {
      if (n % STEP_LINES === 0) await step();
      const record = text === undefined ? undefined : decodeLine(text);
      if (record === undefined || isHead(record) || (record.value === undefined && !takenBack)) continue;
      if (lastOffsets.get(idOf(record, salt)) !== offset) continue;
      holding.push(record);
      facts += 1;
      if (holding.length < TAKEN_AT_ONCE) continue;
      if (stopped?.() === true) return { facts, badLines, whole: false };
      await take(holding);
      holding = [];
    }
    if (stopped?.() === true) return { facts, badLines, whole: false };
    if (holding.length > 0) await take(holding);
    onShare?.(0.5 + (lines[0]?.offset ?? 0) / endBytes / 2);
  }
  return { facts, badLines, whole: true };
}

/**
 * 48 bits. Two facts that meet by chance cost one of them, which then counts as not there. Hashed in one call: a million
 * `Hash` objects keep the garbage collector busy for 10 ms and more at a time.
 */
function idOf({ kind, key }: FactRecord, salt: string): number {
  return Number.parseInt(hash('sha256', `${salt}${kind}:${key}`, 'hex').slice(0, 12), 16);
}
