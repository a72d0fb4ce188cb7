import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { promisify } from 'node:util';
import { ProxyError } from '../errors.js';

/** What the store reads of a file's inode. */
export interface FileFacts {
  readonly ino: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  readonly isFile: boolean;
}

/**
 * The calls to the operating system that content goes through. Plain descriptors, for speed. Rejections are Node's own
 * system errors. One object, so that a test can make any of them fail.
 */
export interface FileSystem {
  open(path: string, flags: number): Promise<number>;
  close(fd: number): Promise<void>;
  /** Reads until `length` bytes are there or the file ends; gives the number of bytes read. */
  readAt(fd: number, into: Uint8Array, length: number, offset: number): Promise<number>;
  /** Writes all bytes. */
  writeAt(fd: number, bytes: Uint8Array, offset: number): Promise<void>;
  /** Cuts a file off behind so many bytes. */
  truncate(fd: number, sizeBytes: number): Promise<void>;
  /** Brings a file's bytes to the disk. */
  dataSync(fd: number): Promise<void>;
  /** Brings a folder's names to the disk. */
  syncFolder(path: string): Promise<void>;
  factsOf(fd: number): Promise<FileFacts>;
  /** Facts of what stands at a path, itself and not what a symbolic link points at; undefined where there is nothing. */
  factsAt(path: string): Promise<FileFacts | undefined>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Bytes that may still be written to the file system of `path`. */
  freeBytes(path: string): Promise<number>;
  /** The size of the file system of `path`. */
  totalBytes(path: string): Promise<number>;
}

const readCall = promisify(fs.read) as unknown as (
  fd: number,
  into: Uint8Array,
  at: number,
  length: number,
  offset: number,
) => Promise<{ bytesRead: number }>;
const writeCall = promisify(fs.write) as unknown as (
  fd: number,
  bytes: Uint8Array,
  at: number,
  length: number,
  offset: number,
) => Promise<{ bytesWritten: number }>;

/** The real file system. */
export const nodeFileSystem: FileSystem = {
  open: promisify(fs.open),
  close: promisify(fs.close),
  async readAt(fd, into, length, offset) {
    let done = 0;
    while (done < length) {
      const { bytesRead } = await readCall(fd, into, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  },
  async writeAt(fd, bytes, offset) {
    let done = 0;
    while (done < bytes.byteLength) {
      const { bytesWritten } = await writeCall(fd, bytes, done, bytes.byteLength - done, offset + done);
      done += bytesWritten;
    }
  },
  truncate: promisify(fs.ftruncate),
  dataSync: promisify(fs.fdatasync),
  async syncFolder(path) {
    const handle = await fsPromises.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async factsOf(fd) {
    return factsFrom(await promisify(fs.fstat)(fd));
  },
  async factsAt(path) {
    try {
      return factsFrom(await fsPromises.lstat(path));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  rename: (from, to) => fsPromises.rename(from, to),
  unlink: (path) => fsPromises.unlink(path),
  async makeFolder(path) {
    await fsPromises.mkdir(path, { recursive: true, mode: 0o700 });
  },
  async freeBytes(path) {
    const space = await fsPromises.statfs(path);
    return space.bavail * space.bsize;
  },
  async totalBytes(path) {
    const space = await fsPromises.statfs(path);
    return space.blocks * space.bsize;
  },
};

function factsFrom(stat: fs.Stats): FileFacts {
  return { ino: stat.ino, sizeBytes: stat.size, mtimeMs: stat.mtimeMs, isFile: stat.isFile() };
}

/** The code of a system error (`ENOSPC`, `EIO`), or undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Turns a system error into a `store` fault that says what could not be done and why. */
export function storeFault(doing: string, error: unknown): ProxyError {
  if (error instanceof ProxyError) return error;
  const reason = errorCode(error) ?? (error instanceof Error ? error.message : String(error));
  return new ProxyError('store', `cannot ${doing}: ${reason}`, { cause: error });
}

/** What the errors that people meet with a data folder mean. */
const FOLDER_REASONS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'this user may not write there'],
  ['EEXIST', 'there is a file of that name'],
  ['EISDIR', 'there is a folder where a file should be'],
  ['ENOENT', 'nothing can be made there'],
  ['ENOSPC', 'the disk is full'],
  ['ENOTDIR', 'a part of the path is a file'],
  ['EPERM', 'the file system forbids it'],
  ['EROFS', 'the file system is read-only'],
]);

/** As `storeFault`, for a data folder that cannot be taken into use: the reason in words, and what to do. */
export function folderFault(doing: string, error: unknown): ProxyError {
  const fault = storeFault(doing, error);
  const code = errorCode(error);
  // A fault of ours says already what to do.
  if (fault === error || code === undefined) return fault;
  const words = FOLDER_REASONS.get(code);
  const reason = words === undefined ? code : `${words} (${code})`;
  return new ProxyError('store', `cannot ${doing}: ${reason}; choose another folder with --data-dir`, { cause: error });
}

/** Removes a file if it is there; a file that cannot be removed is left where it is. */
export async function discardFile(files: FileSystem, path: string): Promise<void> {
  await files.unlink(path).catch(() => {});
}
