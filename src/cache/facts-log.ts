import fs, { type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import {
  compactedBytesOf,
  copyBytes,
  type Draft,
  discardDraft,
  draftCompacted,
  isOvergrown,
} from './facts-compaction.js';
import { encodeFact, type FactRecord } from './facts-lines.js';
import { nodeFileSystem } from './file-system.js';

/** How long a line may wait for the disk. A link that a power loss takes costs one download. */
const SYNC_EVERY_MS = 1_000;
/** Lines that could not be written are kept up to this much; beyond, the oldest are given up. */
const OWED_LINES = 20_000;

/** The append-only log of what content files cannot tell. */
export interface FactsLog {
  /**
   * Resolves when the record's line is in the file. It is on the disk within a second; that a fact holds no longer is
   * there before this resolves. A line that cannot be written rejects, and is written with a later one.
   */
  append(record: FactRecord): Promise<void>;
  /** Resolves when all that was appended before is in the file, as far as it can be; gives the file's size. */
  settled(): Promise<number>;
  /** Brings all appended lines to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What the log tells of that nobody waits for. */
export interface FactsLogEvents {
  fault(error: unknown): void;
  /** It has just worked. */
  well(): void;
}

interface OpenLog {
  readonly handle: FileHandle;
  readonly ino: number;
  readonly compactedBytes: number;
  sizeBytes: number;
}

export function factsLogPath(directory: string): string {
  return path.join(directory, 'facts.log');
}

/**
 * A log for appending. The file is opened with the first record, and again where it was deleted or replaced. When it has
 * more than doubled since its last compaction it is compacted beside the appending; a crash leaves the old log or the
 * new one. What fails is tried again every second.
 */
export function createFactsLog(file: string, events: FactsLogEvents): FactsLog {
  let opened: OpenLog | undefined;
  let mustBreakLine = false;
  let gathered: string[] = [];
  let isUrgent = false;
  let next: Promise<void> | undefined;
  let tail: Promise<void> = Promise.resolve();
  let syncTimer: NodeJS.Timeout | undefined;
  let compacting: Promise<void> | undefined;
  let compactAboveBytes = 0;
  let closed = false;

  function enqueue(task: () => Promise<void>): Promise<void> {
    tail = tail.then(task, task);
    return tail;
  }

  function append(record: FactRecord): Promise<void> {
    gathered.push(encodeFact(record));
    // What was taken back must not come back with an index that is rebuilt after a power loss.
    isUrgent ||= record.value === undefined;
    next ??= enqueue(writeGathered);
    return next;
  }

  async function writeGathered(): Promise<void> {
    const lines = gathered;
    const sync = isUrgent;
    gathered = [];
    isUrgent = false;
    next = undefined;
    if (lines.length === 0) return;
    try {
      const log = await openInPlace();
      const text = mustBreakLine ? `\n${lines.join('')}` : lines.join('');
      // Until the write has come back, the file may end anywhere.
      mustBreakLine = true;
      await log.handle.appendFile(text);
      mustBreakLine = false;
      log.sizeBytes += Buffer.byteLength(text);
      if (sync) await log.handle.datasync();
      else syncSoon();
      events.well();
      compactWhenOvergrown(log);
    } catch (error) {
      gathered = [...lines, ...gathered].slice(-OWED_LINES);
      isUrgent ||= sync;
      syncSoon();
      throw error;
    }
  }

  /** Gives the log that stands at its path, and begins a new one where there is none. */
  async function openInPlace(): Promise<OpenLog> {
    if (opened !== undefined && (await isInPlace(opened))) return opened;
    await opened?.handle.close().catch(() => {});
    opened = undefined;
    const handle = await fs.open(file, 'a+', 0o600);
    try {
      const { ino, size } = await handle.stat();
      opened = { handle, ino, sizeBytes: size, compactedBytes: await compactedBytesOf(handle) };
      mustBreakLine = await endsTorn(handle, size);
      return opened;
    } catch (error) {
      opened = undefined;
      await handle.close();
      throw error;
    }
  }

  async function isInPlace(log: OpenLog): Promise<boolean> {
    const standing = await fs.stat(file).catch(() => undefined);
    return standing?.ino === log.ino;
  }

  function syncSoon(): void {
    if (closed) return;
    syncTimer ??= setTimeout(() => {
      syncTimer = undefined;
      void syncNow();
    }, SYNC_EVERY_MS).unref();
  }

  async function syncNow(): Promise<void> {
    try {
      if (gathered.length > 0) await (next ??= enqueue(writeGathered));
      await opened?.handle.datasync();
      events.well();
    } catch (error) {
      if (closed) return;
      events.fault(error);
      syncSoon();
    }
  }

  function compactWhenOvergrown(log: OpenLog): void {
    if (compacting !== undefined || closed || log.sizeBytes < compactAboveBytes) return;
    if (!isOvergrown(log.sizeBytes, log.compactedBytes)) return;
    // One that fails is tried again when the log has doubled once more.
    compactAboveBytes = 2 * log.sizeBytes;
    compacting = compactOnce(log);
  }

  async function compactOnce(log: OpenLog): Promise<void> {
    try {
      await compact(log);
      compactAboveBytes = 0;
    } catch (error) {
      if (!closed) events.fault(error);
    } finally {
      compacting = undefined;
    }
  }

  async function compact(log: OpenLog): Promise<void> {
    const endBytes = log.sizeBytes;
    const draft = await draftCompacted(file, endBytes, () => closed);
    await enqueue(() => takeOver(log, draft, endBytes));
  }

  /** Brings over what was appended since the draft was begun; nothing is appended meanwhile. */
  async function takeOver(log: OpenLog, draft: Draft, endBytes: number): Promise<void> {
    try {
      if (closed || opened !== log || !(await isInPlace(log))) throw new Error('the log was replaced');
      const { size } = await log.handle.stat();
      await copyBytes(log.handle, endBytes, size, draft.handle, draft.sizeBytes);
      await draft.handle.datasync();
      await fs.rename(draft.path, file);
    } catch (error) {
      await discardDraft(draft);
      throw error;
    }
    opened = undefined;
    await Promise.allSettled([log.handle.close(), draft.handle.close()]);
    await nodeFileSystem.syncFolder(path.dirname(file));
  }

  async function settled(): Promise<number> {
    await tail.catch(() => {});
    return (
      opened?.sizeBytes ??
      (await fs.stat(file).then(
        ({ size }) => size,
        () => 0,
      ))
    );
  }

  async function sync(): Promise<void> {
    await tail.catch(() => {});
    await opened?.handle.datasync();
  }

  return {
    append,
    settled,
    sync,
    async close() {
      closed = true;
      clearTimeout(syncTimer);
      await compacting;
      if (gathered.length > 0) await enqueue(writeGathered).catch(() => {});
      await sync().catch(() => {});
      await opened?.handle.close();
      opened = undefined;
    },
  };
}

async function endsTorn(handle: FileHandle, sizeBytes: number): Promise<boolean> {
  if (sizeBytes === 0) return false;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, sizeBytes - 1);
  return buffer[0] !== 0x0a;
}
