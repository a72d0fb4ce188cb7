import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import { isCertificate, pemBlocks } from './pem.js';

/*
 * The folder of a certificate authority has two files: `ca.key` and `ca.crt`. In an authority that we made, `ca.key`
 * holds the certificate too, below the key. So the pair comes into being in one step, when that file gets its name, and
 * `ca.crt` is a copy that can be written by whoever finds it missing. Both names are given with link(2), which fails if
 * the name exists: of many processes that start at once exactly one makes the authority and the others load it.
 *
 * A pair is replaced in three steps, each of them a rename: `ca.crt.new`, `ca.key`, and `ca.crt.new` to `ca.crt`. When the
 * second was the last that happened, `ca.crt.new` says so by being what `ca.key` carries.
 *
 * While the authority is being rotated there is a third file, `next.key`: the coming key and certificate with the time of
 * the switch in a line above them, so that a rotation begins and ends in one step, too.
 */

const KEY_NAME = 'ca.key';
const CERTIFICATE_NAME = 'ca.crt';
const NEW_CERTIFICATE_NAME = 'ca.crt.new';
const NEXT_NAME = 'next.key';
const TEMPORARY = /^(?:ca\.key|ca\.crt|ca\.crt\.new|next\.key)\.[0-9a-f]{16}\.tmp$/;

/** The texts of the files, as far as they exist. */
export interface AuthorityFiles {
  readonly keyPem: string | undefined;
  /** Permission bits of `ca.key`; of a symbolic link, those of what it names. */
  readonly keyMode: number;
  readonly certificatesPem: string | undefined;
  /** Text of `next.key`; undefined where no rotation is under way. */
  readonly nextPem: string | undefined;
  readonly nextMode: number;
}

export function keyPath(directory: string): string {
  return join(directory, KEY_NAME);
}

export function certificatePath(directory: string): string {
  return join(directory, CERTIFICATE_NAME);
}

/** The coming authority of a rotation. */
export function nextPath(directory: string): string {
  return join(directory, NEXT_NAME);
}

/** Creates the folder with mode 0700, unless it exists. Throws ConfigError when that is not possible. */
export async function prepareFolder(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(`cannot create the CA folder ${directory}`, error);
  }
}

/** Reads the files; a missing one is `undefined`. Throws ConfigError when one exists and can't be read. */
export async function readAuthorityFiles(directory: string): Promise<AuthorityFiles> {
  // In the order in which nothing is missed: a rotation ends with its file, and the creation of a pair with `ca.crt`.
  const next = await readIfPresent(nextPath(directory));
  const replacement = await readIfPresent(join(directory, NEW_CERTIFICATE_NAME));
  const certificate = await readIfPresent(certificatePath(directory));
  const key = await readIfPresent(keyPath(directory));
  const isReplaced = replacement !== undefined && replacement.text === certificatesIn(key?.text);
  return {
    keyPem: key?.text,
    keyMode: key?.mode ?? 0,
    certificatesPem: isReplaced ? replacement.text : certificate?.text,
    nextPem: next?.text,
    nextMode: next?.mode ?? 0,
  };
}

/** The certificates of a text that holds a key as well, as one text; undefined where it has none. */
export function certificatesIn(pem: string | undefined): string | undefined {
  const certificates = pemBlocks(pem ?? '').filter(isCertificate);
  return certificates.length === 0 ? undefined : certificates.map((block) => block.text).join('');
}

/**
 * Puts another pair in the place of the present one. Whatever happens meanwhile, the folder holds the one or the other.
 * Throws ConfigError when the folder can't be written.
 */
export async function replacePair(directory: string, keyAndCertificatesPem: string): Promise<void> {
  await replace(directory, NEW_CERTIFICATE_NAME, certificatesIn(keyAndCertificatesPem) ?? '', 0o644);
  await replace(directory, KEY_NAME, keyAndCertificatesPem, 0o600);
  await finishReplacement(directory);
}

/** Does the last step of `replacePair` where that was cut off, and nothing otherwise. */
export async function finishReplacement(directory: string): Promise<void> {
  const replacement = join(directory, NEW_CERTIFICATE_NAME);
  const text = (await readIfPresent(replacement))?.text;
  const key = await readIfPresent(keyPath(directory));
  if (text === undefined || text !== certificatesIn(key?.text)) return;
  try {
    await rename(replacement, certificatePath(directory));
    await syncFolder(directory);
  } catch (error) {
    // ENOENT: another process did it just now.
    if (errorCode(error) !== 'ENOENT') throw unusable(`cannot write ${certificatePath(directory)}`, error);
  }
}

/** Gives the name `next.key` to a new file of mode 0600, unless there is one; otherwise as `publishKey`. */
export function publishNext(directory: string, text: string): Promise<boolean> {
  return publish(directory, NEXT_NAME, text, 0o600);
}

/** Removes `next.key`, if there is one. Throws ConfigError when the folder can't be written. */
export async function removeNext(directory: string): Promise<void> {
  try {
    await unlink(nextPath(directory));
    await syncFolder(directory);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw unusable(`cannot remove ${nextPath(directory)}`, error);
  }
}

/**
 * Gives the name `ca.key` to a new file of mode 0600 with the key and its certificate. Does nothing if another process was
 * faster: read the files again to see whose authority it is. Throws ConfigError when the folder can't be written.
 *
 * @returns whether this call made the file
 */
export function publishKey(directory: string, keyAndCertificatePem: string): Promise<boolean> {
  return publish(directory, KEY_NAME, keyAndCertificatePem, 0o600);
}

/** Gives the name `ca.crt` to a new file that everybody may read; otherwise as `publishKey`. */
export function publishCertificate(directory: string, certificatePem: string): Promise<boolean> {
  return publish(directory, CERTIFICATE_NAME, certificatePem, 0o644);
}

/**
 * Removes what a killed process left half done. Only to be called when both files exist: then no process can still need a
 * temporary file. A folder that can't be written, as a mounted secret, is left as it is.
 */
export async function sweepTemporaryFiles(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((name) => TEMPORARY.test(name))) {
    await unlink(join(directory, name)).catch(() => undefined);
  }
}

async function readIfPresent(path: string): Promise<{ readonly text: string; readonly mode: number } | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      // Of the open file, so that what is judged is what is read.
      const { mode } = await handle.stat();
      return { text: await handle.readFile('utf8'), mode: mode & 0o777 };
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw unusable(`cannot read ${path}`, error);
  }
}

async function publish(directory: string, name: string, text: string, mode: number): Promise<boolean> {
  const temporary = join(directory, `${name}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    try {
      await writeDurably(temporary, text, mode);
      await link(temporary, join(directory, name));
    } finally {
      await unlink(temporary).catch(() => undefined);
    }
    await syncFolder(directory);
    return true;
  } catch (error) {
    // ENOENT: another process finished first and has already swept our temporary file.
    if (errorCode(error) === 'EEXIST' || errorCode(error) === 'ENOENT') return false;
    throw unusable(`cannot write ${join(directory, name)}`, error);
  }
}

async function replace(directory: string, name: string, text: string, mode: number): Promise<void> {
  const temporary = join(directory, `${name}.${randomBytes(8).toString('hex')}.tmp`);
  try {
    try {
      await writeDurably(temporary, text, mode);
      await rename(temporary, join(directory, name));
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    await syncFolder(directory);
  } catch (error) {
    throw unusable(`cannot write ${join(directory, name)}`, error);
  }
}

/**
 * Creates a file that must not exist (O_EXCL), and returns when its bytes are on the disk. Rejects with the error of the
 * file system.
 */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  const handle = await open(path, 'wx', mode);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a new name survive a power cut, where the file system can: some network ones can't sync a folder. */
async function syncFolder(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().catch(() => undefined);
  await handle.close();
}

function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** What to do about the errors that people really meet; they all end the start. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs entrepot access to it, or name another folder with --ca-dir',
  EPERM: 'the file system has no hard links or forbids it: name another folder with --ca-dir',
  ENOTSUP: 'the file system has no hard links: name another folder with --ca-dir',
  EROFS: 'the file system is read-only: put a ca.key and a ca.crt there, or name another folder with --ca-dir',
  ENOSPC: 'the disk is full: make room, or name another folder with --ca-dir',
  ENOTDIR: 'a part of the path is a file: name a folder with --ca-dir',
  EEXIST: 'there is a file of that name: name a folder with --ca-dir',
  EISDIR: 'there is a folder where a file should be: move it away',
};

function unusable(what: string, error: unknown): ConfigError {
  const code = errorCode(error) ?? String(error);
  const advice = Object.hasOwn(ADVICE, code) ? ADVICE[code] : 'check --ca-dir';
  return new ConfigError([`${what} (${code}): ${advice}`]);
}
