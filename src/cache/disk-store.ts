import { performance } from 'node:perf_hooks';
import { ProxyError } from '../errors.js';
import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import { type BufferPool, createBufferPool } from './buffer-pool.js';
import { commitContent } from './commit-content.js';
import { createContentFiles } from './content-files.js';
import { contentPath, newQuarantinePath, newSpoolPath, spoolFolder, sumsPath } from './content-paths.js';
import type { CacheStore, Entry, Index, Spool, StoreEvents } from './contract.js';
import type { DataFolder } from './data-folder.js';
import { Entries } from './entries.js';
import type { FaultBoard } from './fault-board.js';
import { discardFile, errorCode, type FileSystem, nodeFileSystem, storeFault } from './file-system.js';
import { createHotContent, HOT_CONTENT_BYTES } from './hot-content.js';
import { createKeyedQueue } from './keyed-queue.js';
import { readWhole } from './read-whole.js';
import { walkContent } from './rebuild.js';
import { openSpool } from './spool-file.js';
import { readSums } from './sums-file.js';

export interface DiskStoreOptions {
  readonly folder: DataFolder;
  readonly index: Index;
  readonly faults: FaultBoard;
  readonly events: StoreEvents;
  readonly pool?: BufferPool;
  /** Memory for small contents; none by default. */
  readonly hotBytes?: number;
  readonly files?: FileSystem;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

export interface DiskStore extends CacheStore {
  /** Gives every content file its row. The store serves meanwhile. True where the walk was not stopped by `close`. */
  rebuild(): Promise<boolean>;
}

/** Opens the store of a folder that is held. Neither the folder nor the index is closed with it. */
export async function openDiskStore(options: DiskStoreOptions): Promise<DiskStore> {
  const { folder, index, faults, events } = options;
  const files = options.files ?? nodeFileSystem;
  const { directory } = folder;
  const entries = new Entries(index);
  const turns = createKeyedQueue();
  const hot = options.hotBytes === undefined ? undefined : createHotContent(options.hotBytes);
  let closed = false;
  const contents = createContentFiles({
    files,
    folder,
    pool: options.pool ?? createBufferPool(),
    now: options.now ?? (() => performance.now()),
    onDamage: quarantine,
  });
  await entries.load();

  async function lookup(digest: Digest): Promise<Entry | undefined> {
    return entries.hot(digest) ?? turns.run(digest, () => recallOrAdopt(digest));
  }

  /** Content whose row was lost is known by its file and its sums. */
  async function recallOrAdopt(digest: Digest): Promise<Entry | undefined> {
    const known = await entries.recall(digest);
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
      if (reader === undefined) await turns.run(digest, () => forgetMissing(digest));
      return reader;
    } catch (error) {
      // Damaged content is in quarantine by now, and nothing of it has left.
      if (isDamage(error)) return undefined;
      const fault = storeFault('open stored content', error);
      faults.report('reading', fault);
      throw fault;
    }
  }

  /** A commit may have brought the file back since it was found missing. */
  async function forgetMissing(digest: Digest): Promise<void> {
    const path = contentPath(directory, digest);
    const file = await files.factsAt(path).catch(() => undefined);
    if (file?.isFile === true) return;
    if (file !== undefined) await moveAway(path, newQuarantinePath(directory, digest));
    await entries.forget(digest);
  }

  async function readAll(digest: Digest, limitBytes: number): Promise<Buffer | undefined> {
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
  }

  async function createSpool(expectedBytes: number | undefined): Promise<Spool> {
    try {
      if (expectedBytes !== undefined && (await freeBytes()) < expectedBytes) {
        throw new ProxyError('store', `the disk of ${directory} has no room for ${expectedBytes} bytes`);
      }
      return await newSpool();
    } catch (error) {
      throw failed('begin a spool', error);
    }
  }

  /** Where the file system cannot say, the writes will. */
  function freeBytes(): Promise<number> {
    return files.freeBytes(directory).catch(() => Number.POSITIVE_INFINITY);
  }

  async function newSpool(): Promise<Spool> {
    const spool = { files, path: newSpoolPath(directory), commit, onFault: report };
    try {
      return await openSpool(spool);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    await files.makeFolder(spoolFolder(directory));
    return openSpool(spool);
  }

  function commit(
    spool: Parameters<typeof commitContent>[2],
    digest: Digest,
    mediaType: string | undefined,
  ): Promise<Entry> {
    return turns.run(digest, async () => {
      try {
        const description = { digest, mediaType, storedAt: Date.now() };
        const sums = await commitContent(files, folder, spool, description);
        const entry = { digest, sizeBytes: sums.sizeBytes, mediaType: sums.mediaType, storedAt: sums.storedAt };
        await entries.remember(entry);
        faults.clear('writing');
        return entry;
      } catch (error) {
        throw failed('commit content', error);
      }
    });
  }

  async function put(digest: Digest, bytes: Uint8Array, mediaType: string | undefined): Promise<Entry> {
    const spool = await createSpool(bytes.byteLength);
    try {
      await spool.append(bytes);
      return await spool.commit(digest, mediaType);
    } finally {
      await spool.close();
    }
  }

  function remove(digest: Digest): Promise<void> {
    return turns.run(digest, async () => {
      // The file goes first: a row without a file heals itself, and a file without a row would come back.
      await files.unlink(contentPath(directory, digest)).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw failed('remove content', error);
      });
      await discardFile(files, sumsPath(directory, digest));
      forgetContent(digest);
      await entries.forget(digest);
    });
  }

  function forgetContent(digest: Digest): void {
    contents.forget(digest);
    hot?.drop(digest);
  }

  function quarantine(digest: Digest, ino: number, reason: string): Promise<void> {
    return turns.run(digest, async () => {
      const path = contentPath(directory, digest);
      const file = await files.factsAt(path).catch(() => undefined);
      if (file !== undefined && file.ino !== ino) return;
      if (file !== undefined) {
        await moveAway(path, newQuarantinePath(directory, digest));
        events.quarantined(digest, reason);
      }
      await discardFile(files, sumsPath(directory, digest));
      forgetContent(digest);
      await entries.forget(digest);
    });
  }

  /** A damaged file that cannot be kept is removed: it must not stand under its digest. */
  async function moveAway(path: string, aside: string): Promise<void> {
    await files.rename(path, aside).catch(() => discardFile(files, path));
  }

  function failed(doing: string, error: unknown): ProxyError {
    const fault = storeFault(doing, error);
    report(fault);
    return fault;
  }

  function report(fault: ProxyError): void {
    faults.report('writing', fault);
  }

  return {
    lookup,
    open,
    readAll,
    createSpool,
    put,
    remove,
    get usage() {
      return entries.usage;
    },
    get fault() {
      return faults.current;
    },
    rebuild: () => walkContent(directory, lookup, () => closed),
    async close() {
      closed = true;
      await turns.idle();
      if (!index.needsRebuild) await index.keepTotals(entries.usage);
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
