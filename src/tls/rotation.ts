import { ConfigError } from '../errors.js';
import {
  type Authority,
  type AuthorityOptions,
  assembleAuthority,
  authorityOf,
  prepareAuthority,
} from './authority.js';
import {
  type AuthorityFiles,
  finishReplacement,
  nextPath,
  publishNext,
  readAuthorityFiles,
  removeNext,
  replacePair,
  sweepTemporaryFiles,
} from './authority-files.js';
import { readIssuer } from './issuer.js';
import { constraintsFrom, newAuthority } from './new-authority.js';
import { isCertificate, isPrivateKey, pemBlocks } from './pem.js';

/**
 * Rotation of an authority. It begins with a new key and certificate beside the present ones; from then on both
 * certificates are offered to clients. At a time that stands in the same file the new key begins to sign: nothing has to
 * happen in the folder then. When the clients trust the new certificate, the rotation is finished: the new pair takes the
 * place of the old one, whose key is gone with that.
 */

/** What a folder holds: an authority, and the coming one while a rotation is under way. */
export interface Authorities {
  readonly current: Authority;
  readonly next: NextAuthority | undefined;
}

export interface NextAuthority {
  readonly authority: Authority;
  /** From when on it signs. ms epoch */
  readonly switchAt: number;
}

const SWITCH_AT = /^Switch-At: (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z)$/m;

/** Loads what a folder holds, or makes an authority if it holds none, as `openAuthority` does. */
export async function openAuthorities(directory: string, options: AuthorityOptions = {}): Promise<Authorities> {
  const { files, created } = await prepareAuthority(directory, options);
  return assembleAuthorities(directory, files, { now: (options.now ?? Date.now)(), created });
}

/** Loads what a folder holds and writes nothing. Throws ConfigError with a sentence for each problem. */
export async function loadAuthorities(directory: string, now: number): Promise<Authorities> {
  return assembleAuthorities(directory, await readAuthorityFiles(directory), { now });
}

/** Makes what the files of a folder hold. Throws ConfigError with a sentence for each problem. */
export function assembleAuthorities(
  directory: string,
  files: AuthorityFiles,
  { now, created = false }: { readonly now: number; readonly created?: boolean },
): Authorities {
  const next = readNext(directory, files, now);
  const hasSwitched = next !== undefined && now >= next.switchAt;
  const current = assembleAuthority(directory, files, { now: hasSwitched ? undefined : now, created });
  return { current, next: unfinished(next, current) };
}

/** Which of them signs at a time (ms epoch). */
export function signerAt({ current, next }: Authorities, now: number): Authority {
  return next !== undefined && now >= next.switchAt ? next.authority : current;
}

/** Whether the present or the coming one has the constraints of a list as `--ca-name-constraints` has it in its one spelling. */
export function isConstrainedTo({ current, next }: Authorities, permittedNames: readonly string[]): boolean {
  const wanted = [...permittedNames].sort().join();
  return [current, next?.authority].some(
    (one) => one !== undefined && [...one.permittedNames].sort().join() === wanted,
  );
}

/** The certificates that clients are to trust, as PEM: the present one, then the coming one. */
export function offeredPem({ current, next }: Authorities): string {
  return current.trustPem + (next?.authority.trustPem ?? '');
}

export interface RotationOptions {
  /** ms epoch */
  readonly now: number;
  /** From when on the new authority is to sign. ms epoch */
  readonly switchAt: number;
  /** What it may issue certificates for, as in `--ca-name-constraints`; where empty, what the present one may. */
  readonly permittedNames: readonly string[];
}

/**
 * Begins a rotation. A present authority that expires before the switch is followed by the new one at that time. Throws
 * ConfigError when one is under way, when there is none to rotate, and when clients trust a root above it.
 */
export async function beginRotation(directory: string, options: RotationOptions): Promise<Authorities> {
  const files = await readAuthorityFiles(directory);
  // One that has expired already can be rotated, too.
  const current = assembleAuthority(directory, files, { now: undefined });
  const next = unfinished(readNext(directory, files, options.now), current);
  if (next !== undefined) throw underWay(next.switchAt);
  if (current.trustPem !== current.certificatePem || current.chainPem !== '') {
    throw new ConfigError([
      `the CA in ${directory} stands below another, and clients trust that one: put its successor into the folder, or run "entrepot ca renew" if it was made with --offline-root`,
    ]);
  }
  if (files.nextPem !== undefined) await removeNext(directory);
  const names = options.permittedNames.length > 0 ? options.permittedNames : current.permittedNames;
  const switchAt = Math.min(options.switchAt, Math.max(options.now, current.notAfter));
  const { keyPem, certificatePem } = newAuthority(options.now, constraintsFrom(names));
  const text = `Switch-At: ${new Date(switchAt).toISOString()}\n${keyPem}${certificatePem}`;
  const isOurs = await publishNext(directory, text);
  const begun = await loadAuthorities(directory, options.now);
  if (!isOurs) throw underWay(begun.next?.switchAt ?? switchAt);
  return begun;
}

/**
 * Ends a rotation: the new pair takes the place of the old one, and the old key is gone. Throws ConfigError while the old
 * key still signs.
 *
 * @param now ms epoch
 * @returns whether there was one to finish
 */
export async function finishRotation(directory: string, now: number): Promise<boolean> {
  await finishReplacement(directory);
  const files = await readAuthorityFiles(directory);
  const { next } = assembleAuthorities(directory, files, { now });
  if (next === undefined) {
    if (files.nextPem !== undefined) await removeNext(directory);
    return false;
  }
  if (now < next.switchAt) {
    throw new ConfigError([`the new CA signs only from ${iso(next.switchAt)} on: finish the rotation after that`]);
  }
  await replacePair(directory, keyAndCertificates(files.nextPem ?? ''));
  await removeNext(directory);
  await sweepTemporaryFiles(directory);
  return true;
}

/**
 * Takes a rotation back that has not switched yet: the new key is gone. Throws ConfigError once the new key signs.
 *
 * @param now ms epoch
 * @returns whether there was one to take back
 */
export async function cancelRotation(directory: string, now: number): Promise<boolean> {
  const { next } = await loadAuthorities(directory, now);
  if (next === undefined) return false;
  if (now >= next.switchAt) {
    throw new ConfigError([
      `the new CA signs since ${iso(next.switchAt)}, so clients may know it alone: finish the rotation with "entrepot ca rotate --finish"`,
    ]);
  }
  await removeNext(directory);
  return true;
}

function readNext(directory: string, files: AuthorityFiles, now: number): NextAuthority | undefined {
  const { nextPem, nextMode } = files;
  if (nextPem === undefined) return undefined;
  const path = nextPath(directory);
  const switchAt = Date.parse(SWITCH_AT.exec(nextPem)?.[1] ?? '');
  if (Number.isNaN(switchAt)) {
    throw new ConfigError([`${path} does not say when to switch (Switch-At: …): remove it to end the rotation`]);
  }
  const source = {
    keyPem: nextPem,
    keyPath: path,
    keyMode: nextMode,
    certificatesPem: nextPem,
    certificatesPath: path,
  };
  return {
    authority: authorityOf(readIssuer({ ...source, now }), { certificatePath: path, created: false, isOurs: true }),
    switchAt,
  };
}

/** The coming authority, unless it is the present one already: then the end of the rotation was cut off at its last step. */
function unfinished(next: NextAuthority | undefined, current: Authority): NextAuthority | undefined {
  return next?.authority.certificatePem === current.certificatePem ? undefined : next;
}

function keyAndCertificates(pem: string): string {
  const blocks = pemBlocks(pem).filter((block) => isPrivateKey(block) || isCertificate(block));
  return blocks.map(({ text }) => text).join('');
}

function underWay(switchAt: number): ConfigError {
  return new ConfigError([
    `a rotation is under way already, and the new CA signs from ${iso(switchAt)} on: "entrepot ca rotate --finish" ends it after that, "entrepot ca rotate --cancel" takes it back before`,
  ]);
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
