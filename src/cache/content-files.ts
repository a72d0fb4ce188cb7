import { constants } from 'node:fs';
import type { BodyReader } from '../http/body.js';
import type { Digest } from '../oci/digest.js';
import { createBoundedMap } from './bounded-map.js';
import type { BufferPool } from './buffer-pool.js';
import { ChunkChecks } from './chunk-checks.js';
import { contentPath, sumsPath } from './content-paths.js';
import { ContentReader, damageReason } from './content-reader.js';
import type { Entry } from './contract.js';
import type { DataFolder } from './data-folder.js';
import { errorCode, type FileFacts, type FileSystem, storeFault } from './file-system.js';
import { rehash } from './rehash.js';
import { chunkCount } from './sums.js';
import { readSums, writeSums } from './sums-file.js';

/** Chunks whose checks are remembered: 1 TiB of content in 32 MiB of memory. */
const REMEMBERED_CHUNKS = 4 * 1024 * 1024;

/** Called when a file is found damaged; `ino` tells it from a file that has taken its place since. */
export type OnDamage = (digest: Digest, ino: number, reason: string) => Promise<void>;

/** Stored files, opened for reading and checked. */
export interface ContentFiles {
  /** Opens the file of an entry; undefined where it is gone, or was found damaged before a byte of it left. */
  open(entry: Entry): Promise<BodyReader | undefined>;
  forget(digest: Digest): void;
}

interface Options {
  readonly files: FileSystem;
  readonly folder: DataFolder;
  readonly pool: BufferPool;
  readonly now: () => number;
  readonly onDamage: OnDamage;
}

export function createContentFiles({ files, folder, pool, now, onDamage }: Options): ContentFiles {
  const remembered = createBoundedMap<Digest, ChunkChecks>(REMEMBERED_CHUNKS, (checks) => checks.sums.crcs.length + 1);
  /** Whole-file checks under way, so that many clients of one file cause one. */
  const rehashing = new Map<Digest, Promise<ChunkChecks | undefined>>();

  async function open(entry: Entry): Promise<BodyReader | undefined> {
    const { digest } = entry;
    const fd = await openFile(contentPath(folder.directory, digest));
    if (fd === undefined) return undefined;
    try {
      const file = await files.factsOf(fd);
      const checks = await checksFor(entry, fd, file);
      if (checks === undefined) {
        await files.close(fd);
        return undefined;
      }
      const damaged = (reason: string): Promise<void> => onDamage(digest, file.ino, reason);
      return new ContentReader({ files, fd, checks, pool, now, onDamage: damaged });
    } catch (error) {
      await files.close(fd).catch(() => {});
      throw storeFault('open stored content', error);
    }
  }

  async function openFile(path: string): Promise<number | undefined> {
    try {
      // A symbolic link in a file's place could point anywhere.
      return await files.open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') return undefined;
      throw storeFault('open stored content', error);
    }
  }

  async function checksFor(entry: Entry, fd: number, file: FileFacts): Promise<ChunkChecks | undefined> {
    const { digest } = entry;
    const known = remembered.get(digest);
    if (known?.isFor(file)) return known;
    if (!file.isFile) {
      await onDamage(digest, file.ino, 'it is not a file');
      return undefined;
    }
    const sums = await readSums(folder.directory, digest);
    if (sums === undefined || sums.generation !== folder.generation) return rehashOnce(entry, fd, file);
    if (file.sizeBytes !== sums.sizeBytes) {
      await onDamage(digest, file.ino, `the file has ${file.sizeBytes} bytes instead of ${sums.sizeBytes}`);
      return undefined;
    }
    const checks = new ChunkChecks(sums, file);
    remembered.set(digest, checks);
    return checks;
  }

  /** The file may have been replaced since the check began; then it is looked at anew. */
  async function rehashOnce(entry: Entry, fd: number, file: FileFacts): Promise<ChunkChecks | undefined> {
    let running = rehashing.get(entry.digest);
    if (running === undefined) {
      running = rehashFile(entry, fd, file).finally(() => rehashing.delete(entry.digest));
      rehashing.set(entry.digest, running);
    }
    const checks = await running;
    return checks === undefined || checks.isFor(file) ? checks : checksFor(entry, fd, file);
  }

  async function rehashFile(entry: Entry, fd: number, file: FileFacts): Promise<ChunkChecks | undefined> {
    const { digest, mediaType, storedAt } = entry;
    const found = await rehash(files, fd, digest).catch((error: unknown) => {
      const reason = damageReason(error);
      if (reason === undefined) throw error;
      return reason;
    });
    if (typeof found === 'string' || !found.matches) {
      await onDamage(digest, file.ino, typeof found === 'string' ? found : 'the bytes do not have their digest');
      return undefined;
    }
    const { sizeBytes, crcs } = found;
    const checks = new ChunkChecks(
      { sizeBytes, mediaType, storedAt, generation: folder.generation, crcs },
      { ...file, sizeBytes },
    );
    for (let chunk = 0; chunk < chunkCount(sizeBytes); chunk += 1) checks.accept(chunk, crcs[chunk] ?? 0, now());
    remembered.set(digest, checks);
    await keepSums(digest, checks);
    return checks;
  }

  /** Sums that cannot be written cost another whole check after the next start, no more. */
  async function keepSums(digest: Digest, checks: ChunkChecks): Promise<void> {
    try {
      const draft = await writeSums(files, folder.directory, checks.sums, false);
      await files.rename(draft, sumsPath(folder.directory, digest));
    } catch {
      return;
    }
  }

  return { open, forget: (digest) => remembered.delete(digest) };
}
