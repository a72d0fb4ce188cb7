import { ProxyError } from '../errors.js';
import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import type { ContentFiles } from './content-files.js';
import { contentPath } from './content-paths.js';
import type { ContentRemoval } from './content-removal.js';
import type { CacheStore, Entry } from './contract.js';
import type { Entries } from './entries.js';
import type { FaultBoard } from './fault-board.js';
import { type FileSystem, storeFault } from './file-system.js';
import { HOT_CONTENT_BYTES, type HotContent } from './hot-content.js';
import type { KeyedQueue } from './keyed-queue.js';
import type { OpenReaders } from './open-readers.js';
import { readWhole } from './read-whole.js';
import { readSums } from './sums-file.js';

/** Stored content, found and read. As the methods of CacheStore say; those that count as a use are named so. */
export interface StoredContent extends Pick<CacheStore, 'lookup' | 'readAll'> {
  /** Opens content for a client: it is used now, and stays while it is read. */
  openForUse: CacheStore['open'];
  /** Gives content its row again, where its file is there and its row may not be. */
  giveRow(digest: Digest): Promise<void>;
}

interface Options {
  readonly directory: string;
  readonly files: Pick<FileSystem, 'factsAt'>;
  readonly entries: Pick<Entries, 'hot' | 'find' | 'remember' | 'touch' | 'saveRow'>;
  readonly turns: KeyedQueue;
  readonly hot: HotContent | undefined;
  readonly reading: OpenReaders;
  readonly contents: Pick<ContentFiles, 'open'>;
  readonly removal: Pick<ContentRemoval, 'forgetMissing'>;
  readonly faults: Pick<FaultBoard, 'report' | 'clear'>;
}

export function createStoredContent(options: Options): StoredContent {
  const { directory, files, entries, turns, hot, reading, contents, removal, faults } = options;

  async function lookup(digest: Digest): Promise<Entry | undefined> {
    return entries.hot(digest) ?? turns.run(digest, () => recallOrAdopt(digest));
  }

  /** Content whose row was lost is known by its file and its sums. */
  async function recallOrAdopt(digest: Digest): Promise<Entry | undefined> {
    const known = await entries.find(digest);
    if (known !== undefined) return known;
    const file = await files.factsAt(contentPath(directory, digest)).catch(() => undefined);
    if (file === undefined) return undefined;
    const sums = await readSums(directory, digest);
    if (sums === undefined || sums.sizeBytes !== file.sizeBytes) return undefined;
    const entry = { digest, sizeBytes: sums.sizeBytes, mediaType: sums.mediaType, storedAt: sums.storedAt };
    await entries.remember(entry);
    return entry;
  }

  async function open(digest: Digest): Promise<BodyReader | undefined> {
    const entry = await lookup(digest);
    if (entry === undefined) return undefined;
    const kept = hot?.open(digest);
    if (kept !== undefined) return kept;
    try {
      const reader = await contents.open(entry);
      faults.clear('reading');
      if (hot !== undefined && reader !== undefined && entry.sizeBytes <= HOT_CONTENT_BYTES) {
        return hot.keep(digest, await readAndClose(reader));
      }
      if (reader === undefined) await removal.forgetMissing(digest);
      return reader;
    } catch (error) {
      // Damaged content is in quarantine by now, and nothing of it has left.
      if (isDamage(error)) return undefined;
      const fault = storeFault('open stored content', error);
      faults.report('reading', fault);
      throw fault;
    }
  }

  return {
    lookup,
    async openForUse(digest) {
      entries.touch(digest);
      const reader = await open(digest);
      return reader && reading.track(digest, reader);
    },
    async readAll(digest, limitBytes) {
      const entry = await lookup(digest);
      if (entry === undefined || entry.sizeBytes > limitBytes) return undefined;
      const reader = await open(digest);
      if (reader === undefined) return undefined;
      try {
        return await readAndClose(reader);
      } catch (error) {
        // No byte has left, and the content is in quarantine by now.
        if (isDamage(error)) return undefined;
        throw error;
      }
    },
    async giveRow(digest) {
      const isKnown = await turns.run(digest, () => entries.saveRow(digest));
      if (!isKnown) await lookup(digest);
    },
  };
}

async function readAndClose(reader: BodyReader): Promise<Buffer> {
  try {
    return await readWhole(reader);
  } finally {
    reader.close();
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof ProxyError && error.code === 'content-damaged';
}
