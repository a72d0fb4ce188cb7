import { ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { commitContent } from './commit-content.js';
import { newSpoolPath, spoolFolder } from './content-paths.js';
import type { Entry, Spool } from './contract.js';
import type { DataFolder } from './data-folder.js';
import type { Entries } from './entries.js';
import type { FaultBoard } from './fault-board.js';
import { errorCode, type FileSystem, storeFault } from './file-system.js';
import type { KeyedQueue } from './keyed-queue.js';
import { type FinishedSpool, openSpool } from './spool-file.js';

interface Options {
  readonly folder: DataFolder;
  readonly files: FileSystem;
  readonly entries: Entries;
  readonly turns: KeyedQueue;
  readonly faults: FaultBoard;
}

/** Opens spools, and makes entries of those that are committed. Rejects with a `store` fault, which is reported. */
export function createSpools(options: Options): (expectedBytes: number | undefined) => Promise<Spool> {
  const { folder, files, entries, turns, faults } = options;
  const { directory } = folder;

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

  function commit(spool: FinishedSpool, digest: Digest, mediaType: string | undefined): Promise<Entry> {
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

  function failed(doing: string, error: unknown): ProxyError {
    const fault = storeFault(doing, error);
    report(fault);
    return fault;
  }

  function report(fault: ProxyError): void {
    faults.report('writing', fault);
  }

  return async (expectedBytes) => {
    try {
      if (expectedBytes !== undefined && (await freeBytes()) < expectedBytes) {
        throw new ProxyError('store', `the disk of ${directory} has no room for ${expectedBytes} bytes`);
      }
      return await newSpool();
    } catch (error) {
      throw failed('begin a spool', error);
    }
  };
}
