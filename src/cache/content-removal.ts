import type { Digest } from '../oci/digest.js';
import type { ContentFiles } from './content-files.js';
import { contentPath, newQuarantinePath, sumsPath } from './content-paths.js';
import type { StoreEvents } from './contract.js';
import type { Entries } from './entries.js';
import { discardFile, errorCode, type FileSystem } from './file-system.js';
import { createGate } from './gate.js';
import type { HotContent } from './hot-content.js';
import type { KeyedQueue } from './keyed-queue.js';

/** Files that are removed side by side. More would fill the queue of the disk, and Node's threads, which readers wait for. */
const AT_ONCE = 4;

/** The ways in which content leaves the store. Each takes the digest's turn. */
export interface ContentRemoval {
  /** Forgets the content and removes its file; open readers go on. Rejects with the system's error. */
  remove(digest: Digest): Promise<void>;
  /** As `remove`, if `mayGo` still says so when the digest's turn has come; gives what it said. */
  evict(digest: Digest, mayGo: () => boolean): Promise<boolean>;
  /** Puts a damaged file aside, unless another has taken its place: `ino` is that of the file that was read. */
  quarantine(digest: Digest, ino: number, reason: string): Promise<void>;
  /** Forgets content whose file is gone, or is none. */
  forgetMissing(digest: Digest): Promise<void>;
}

interface Options {
  readonly directory: string;
  readonly files: FileSystem;
  readonly entries: Entries;
  readonly turns: KeyedQueue;
  readonly hot: HotContent | undefined;
  readonly contents: () => Pick<ContentFiles, 'forget'>;
  readonly events: StoreEvents;
}

export function createContentRemoval(options: Options): ContentRemoval {
  const { directory, files, entries, turns, hot, contents, events } = options;
  const gate = createGate(AT_ONCE);

  function letGo(digest: Digest): void {
    contents().forget(digest);
    hot?.drop(digest);
  }

  async function forget(digest: Digest): Promise<void> {
    letGo(digest);
    await entries.forget(digest);
  }

  function removeFiles(digest: Digest): Promise<void> {
    return gate(async () => {
      // The file goes first: a row without a file heals itself, and a file without a row would come back.
      await files.unlink(contentPath(directory, digest)).catch((error: unknown) => {
        if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error;
      });
      await discardFile(files, sumsPath(directory, digest));
    });
  }

  /** A damaged file that cannot be kept is removed: it must not stand under its digest. */
  async function moveAway(path: string, aside: string): Promise<void> {
    await files.rename(path, aside).catch(() => discardFile(files, path));
  }

  return {
    remove: (digest) =>
      turns.run(digest, async () => {
        await removeFiles(digest);
        await forget(digest);
      }),

    evict: (digest, mayGo) =>
      turns.run(digest, async () => {
        if (!mayGo()) return false;
        await removeFiles(digest);
        letGo(digest);
        // Thousands may go in a row: the index has their deletions in batches, and nobody waits for it.
        entries.drop(digest);
        return true;
      }),

    quarantine: (digest, ino, reason) =>
      turns.run(digest, async () => {
        const path = contentPath(directory, digest);
        const file = await files.factsAt(path).catch(() => undefined);
        if (file !== undefined && file.ino !== ino) return;
        if (file !== undefined) {
          await moveAway(path, newQuarantinePath(directory, digest));
          events.quarantined(digest, reason);
        }
        await discardFile(files, sumsPath(directory, digest));
        await forget(digest);
      }),

    forgetMissing: (digest) =>
      turns.run(digest, async () => {
        const path = contentPath(directory, digest);
        const file = await files.factsAt(path).catch(() => undefined);
        // A commit may have brought the file back since it was found missing.
        if (file?.isFile === true) return;
        if (file !== undefined) await moveAway(path, newQuarantinePath(directory, digest));
        await entries.forget(digest);
      }),
  };
}
