import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { newSpoolPath, quarantineFolder, spoolFolder } from './content-paths.js';
import type { FaultBoard } from './fault-board.js';
import { discardFile, errorCode, type FileSystem, folderFault } from './file-system.js';

/** Small files that others need, and that nobody writes again while the proxy runs. */
const KEPT_FILES = ['VERSION', 'generation', 'installation-id', 'admin.token'] as const;
const LARGEST_KEPT_BYTES = 4096;
const PROBE_BYTES = 64 * 1024;

export interface FolderGuardOptions {
  readonly directory: string;
  readonly files: FileSystem;
  readonly faults: FaultBoard;
  readonly everyMs: number;
}

export interface FolderGuard {
  /** Resolves when the look that is under way, or else a new one, has ended. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Looks after the data folder while it is in use. One that was deleted comes back, with the small files that were in it.
 * A fault of the disk is asked after with a small write or read of our own, as a proxy that says it is not ready may be
 * sent no client to find out with.
 */
export function startFolderGuard({ directory, files, faults, everyMs }: FolderGuardOptions): FolderGuard {
  const kept = new Map<string, string>();
  let looking: Promise<void> | undefined;

  function look(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function lookOnce(): Promise<void> {
    try {
      if (await isGone()) await restore();
      else await keep();
      faults.clear('folder');
    } catch (error) {
      faults.report('folder', folderFault(`make the data folder ${directory} again`, error));
    }
    if (faults.has('writing') && (await canWrite())) faults.clear('writing');
    if (faults.has('reading') && (await canRead())) faults.clear('reading');
  }

  /** Only what is surely not there: a folder that cannot be looked into may be there tomorrow. */
  function isGone(): Promise<boolean> {
    return fs.lstat(path.join(directory, KEPT_FILES[0])).then(
      () => false,
      (error: unknown) => errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR',
    );
  }

  async function keep(): Promise<void> {
    for (const name of KEPT_FILES) {
      const file = path.join(directory, name);
      const size = (await fs.stat(file).catch(() => undefined))?.size ?? 0;
      if (size === 0 || size > LARGEST_KEPT_BYTES) continue;
      const text = await fs.readFile(file, 'utf8').catch(() => undefined);
      if (text !== undefined) kept.set(name, text);
    }
  }

  async function restore(): Promise<void> {
    for (const folder of [path.join(directory, 'blobs'), spoolFolder(directory), quarantineFolder(directory)]) {
      await fs.mkdir(folder, { recursive: true, mode: 0o700 });
    }
    // VERSION is the last: while it is missing, the work is not done.
    for (const name of KEPT_FILES.toReversed()) {
      const text = kept.get(name);
      if (text !== undefined) await fs.writeFile(path.join(directory, name), text, { mode: 0o600, flush: true });
    }
  }

  async function canWrite(): Promise<boolean> {
    const probe = newSpoolPath(directory);
    try {
      const fd = await files.open(probe, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL);
      try {
        await files.writeAt(fd, new Uint8Array(PROBE_BYTES), 0);
        await files.dataSync(fd);
      } finally {
        await files.close(fd);
      }
      return true;
    } catch {
      return false;
    } finally {
      await discardFile(files, probe);
    }
  }

  async function canRead(): Promise<boolean> {
    try {
      const fd = await files.open(path.join(directory, KEPT_FILES[0]), constants.O_RDONLY);
      await files.close(fd);
      return true;
    } catch {
      return false;
    }
  }

  void look();
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return {
    look,
    async close() {
      clearInterval(timer);
      await looking;
    },
  };
}
