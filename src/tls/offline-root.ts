import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { ConfigError } from '../errors.js';
import { type Authority, loadAuthority } from './authority.js';
import {
  certificatePath,
  certificatesIn,
  finishReplacement,
  prepareFolder,
  publishCertificate,
  publishKey,
  readAuthorityFiles,
  replacePair,
  writeDurably,
} from './authority-files.js';
import { type Issuer, readIssuer } from './issuer.js';
import type { NameConstraints } from './name-constraints.js';
import { constraintsFrom, newIntermediate, newOfflineRoot } from './new-authority.js';
import { isCertificate, pemBlocks } from './pem.js';
import { readCertificate } from './read-certificate.js';

/**
 * An authority in two parts: a root that clients trust, whose key is carried away, and below it an intermediate of 90
 * days in the folder of the proxy. Whoever steals the folder has a key for those days, and for the names that the
 * intermediate is constrained to. The next intermediate changes nothing for the clients.
 */

export interface OfflineRootOptions {
  /** Absolute path of the file with the root's key and certificate, outside of the folder. */
  readonly rootKeyFile: string;
  /**
   * What the intermediate may issue certificates for, as in `--ca-name-constraints`. Where empty: all for the first
   * intermediate, and for the next ones what the one before was allowed.
   */
  readonly permittedNames: readonly string[];
  /** ms epoch */
  readonly now: number;
}

/**
 * Makes a root and its first intermediate. The root's file comes first: when the rest fails, `renewIntermediate` goes on
 * from there. Throws ConfigError when the folder has a CA, when the file exists, and when it would lie in the folder.
 */
export async function initOfflineRoot(directory: string, options: OfflineRootOptions): Promise<Authority> {
  const { rootKeyFile, permittedNames, now } = options;
  await prepareFolder(directory);
  const { keyPem, certificatesPem } = await readAuthorityFiles(directory);
  if (keyPem !== undefined || certificatesPem !== undefined) {
    throw new ConfigError([`there is a CA in ${directory} already: name another folder with --ca-dir`]);
  }
  await refuseInside(directory, rootKeyFile);
  const root = newOfflineRoot(now);
  await writeRoot(rootKeyFile, root.keyPem + root.certificatePem);
  const issuer = await readRoot(rootKeyFile, root.certificatePem, rootKeyFile, now);
  return issueInto(directory, issuer, constraintsFrom(permittedNames), options);
}

/**
 * Puts the next intermediate into the folder, with a new key. A folder that has no CA gets its first one. Throws
 * ConfigError when the file does not have the key above the present certificate.
 */
export async function renewIntermediate(directory: string, options: OfflineRootOptions): Promise<Authority> {
  const { rootKeyFile, permittedNames, now } = options;
  await prepareFolder(directory);
  await finishReplacement(directory);
  const { certificatesPem } = await readAuthorityFiles(directory);
  const [own, ...above] = certificateBlocks(certificatesPem);
  if (own !== undefined && above.length === 0) {
    throw new ConfigError([
      `the certificate in ${directory} has none above it in ca.crt: "entrepot ca rotate" replaces a CA that clients trust itself`,
    ]);
  }
  const issuerPem = own === undefined ? certificateBlocks(await readText(rootKeyFile)).join('') : above.join('');
  const issuerPath = own === undefined ? rootKeyFile : certificatePath(directory);
  const issuer = await readRoot(rootKeyFile, issuerPem, issuerPath, now);
  if (issuer.certificate.pathLength === 0) {
    throw new ConfigError([
      `the certificate above may issue none for CAs (pathlen:0): use a root made with --offline-root`,
    ]);
  }
  const before = own === undefined ? undefined : readCertificate(own).nameConstraints;
  return issueInto(directory, issuer, constraintsFrom(permittedNames) ?? before, options);
}

async function issueInto(
  directory: string,
  issuer: Issuer,
  names: NameConstraints | undefined,
  { now }: OfflineRootOptions,
): Promise<Authority> {
  const { keyPem, certificatePem } = newIntermediate(now, issuer, names);
  const above = [issuer.certificate, ...issuer.issuers].map(({ x509 }) => `${x509.toString().trimEnd()}\n`);
  const text = [keyPem, certificatePem, ...above].join('');
  const wasEmpty = (await readAuthorityFiles(directory)).keyPem === undefined;
  if (!wasEmpty) await replacePair(directory, text);
  else if (await publishKey(directory, text)) await publishCertificate(directory, certificatesIn(text) ?? '');
  else throw new ConfigError([`another process has just made a CA in ${directory}: nothing was changed there`]);
  return loadAuthority(directory, { now: () => now });
}

async function readRoot(rootKeyFile: string, issuerPem: string, issuerPath: string, now: number): Promise<Issuer> {
  const keyPem = await readText(rootKeyFile);
  const { mode } = await stat(rootKeyFile);
  const source = { keyPem, keyPath: rootKeyFile, keyMode: mode & 0o777, now };
  try {
    return readIssuer({ ...source, certificatesPem: issuerPem, certificatesPath: issuerPath });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const mismatch = error.problems.some((problem) => problem.includes('is not the key of the first certificate'));
    if (!mismatch) throw error;
    const { fingerprint256 } = readCertificate(certificateBlocks(issuerPem)[0] ?? '').x509;
    throw new ConfigError([`${rootKeyFile} is not the key of the root that clients trust (SHA-256 ${fingerprint256})`]);
  }
}

async function writeRoot(path: string, text: string): Promise<void> {
  try {
    await writeDurably(path, text, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice =
      code === 'EEXIST'
        ? 'to go on with the root in it, run "entrepot ca renew" with it'
        : 'name another with --root-key';
    throw new ConfigError([`cannot write ${path} (${code}): ${advice}`]);
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigError([
      `cannot read ${path} (${(error as NodeJS.ErrnoException).code}): name the root's file with --root-key`,
    ]);
  }
}

/** The root's key is to leave the machine, and the folder stays. */
async function refuseInside(directory: string, path: string): Promise<void> {
  const folder = await realpath(directory);
  const parent = await realpath(dirname(path)).catch(() => dirname(path));
  if (join(parent, basename(path)).startsWith(folder + sep)) {
    throw new ConfigError([
      `${path} lies in the CA folder: the root's key is not to stay there, name another place with --root-key`,
    ]);
  }
}

function certificateBlocks(pem: string | undefined): readonly string[] {
  return pemBlocks(pem ?? '')
    .filter(isCertificate)
    .map(({ text }) => text);
}
