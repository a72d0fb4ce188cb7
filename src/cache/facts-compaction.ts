import fs, { type FileHandle } from 'node:fs/promises';
import { decodeLine, encodeFact, encodeHead, HEAD_BYTES, isHead, readLines } from './facts-lines.js';
import { replayFacts } from './facts-replay.js';

/** Below this a log is never worth compacting. */
export const COMPACT_FLOOR_BYTES = 4 * 1024 * 1024;

/** True where a log has more than doubled since it was compacted, and is worth it. */
export function isOvergrown(sizeBytes: number, compactedBytes: number): boolean {
  return sizeBytes >= COMPACT_FLOOR_BYTES && sizeBytes >= 2 * compactedBytes;
}

/** What the head of an open log says of its last compaction; 0 where it was never compacted. */
export async function compactedBytesOf(handle: FileHandle): Promise<number> {
  for await (const lines of readLines(handle, HEAD_BYTES)) {
    const record = lines[0]?.text === undefined ? undefined : decodeLine(lines[0].text);
    return record !== undefined && isHead(record) ? record.compactedBytes : 0;
  }
  return 0;
}

/** A log with only what holds, on its way into the place of the old one. */
export interface Draft {
  readonly path: string;
  readonly handle: FileHandle;
  readonly sizeBytes: number;
}

/**
 * Writes what holds of a log up to `endBytes` into a draft beside it, and brings that to the disk: it may be hundreds of
 * MiB, which nobody who appends should wait for. The log may grow meanwhile. The caller brings the rest over, syncs,
 * renames and closes. Rejects with the system's error or where `stopped` says so, and leaves no draft then.
 */
export async function draftCompacted(file: string, endBytes: number, stopped: () => boolean): Promise<Draft> {
  const path = `${file}.new`;
  await fs.rm(path, { force: true });
  const handle = await fs.open(path, 'wx+', 0o600);
  try {
    let sizeBytes = HEAD_BYTES;
    const { whole } = await replayFacts(file, {
      endBytes,
      stopped,
      async take(facts) {
        const bytes = Buffer.from(facts.map(encodeFact).join(''));
        await writeAll(handle, bytes, bytes.length, sizeBytes);
        sizeBytes += bytes.length;
      },
    });
    if (!whole) throw new Error('stopped');
    await handle.write(encodeHead({ compactedBytes: sizeBytes }), 0);
    await handle.datasync();
    return { path, handle, sizeBytes };
  } catch (error) {
    await discardDraft({ path, handle, sizeBytes: 0 });
    throw error;
  }
}

export async function discardDraft({ path, handle }: Draft): Promise<void> {
  await handle.close().catch(() => {});
  await fs.rm(path, { force: true }).catch(() => {});
}

/** Copies the bytes from `start` to `end` of one open file to a place in another. */
export async function copyBytes(
  from: FileHandle,
  start: number,
  end: number,
  to: FileHandle,
  at: number,
): Promise<void> {
  const step = Buffer.alloc(256 * 1024);
  for (let offset = start; offset < end; ) {
    const { bytesRead } = await from.read(step, 0, Math.min(step.length, end - offset), offset);
    if (bytesRead === 0) throw new Error('the log has become shorter');
    await writeAll(to, step, bytesRead, at + offset - start);
    offset += bytesRead;
  }
}

/** A disk that gets full takes a part of a write and says nothing. */
async function writeAll(to: FileHandle, bytes: Uint8Array, length: number, at: number): Promise<void> {
  for (let done = 0; done < length; ) done += (await to.write(bytes, done, length - done, at + done)).bytesWritten;
}
