import { ConfigError } from '../errors.js';
import {
  type AuthorityFiles,
  certificatePath,
  certificatesIn,
  finishReplacement,
  keyPath,
  prepareFolder,
  publishCertificate,
  publishKey,
  readAuthorityFiles,
  sweepTemporaryFiles,
} from './authority-files.js';
import { type Issuer, readIssuer } from './issuer.js';
import { createLeafIssuer, type Leaf } from './leaf.js';
import { describePermitted, permitsHost } from './name-constraints.js';
import { constraintsFrom, newAuthority } from './new-authority.js';
import { toPem } from './pem.js';
import type { ReadCertificate } from './read-certificate.js';

/** The certificate authority that clients trust, ready to issue leaves. */
export interface Authority {
  /** Our own certificate, the one that signs leaves. */
  readonly certificatePem: string;
  /** The certificate that clients are to trust: the root above ours if the folder has it, else ours. */
  readonly trustPem: string;
  /** What a server sends after its leaf: our certificate and those above it, but no root, which a client must have anyway. */
  readonly chainPem: string;
  /** The file in the folder that begins with `certificatePem`. */
  readonly certificatePath: string;
  /** SHA-256 of the certificate that clients are to trust, as `AA:BB:…`. */
  readonly fingerprintSha256: string;
  /** When our certificate or one above it expires, whichever is first. ms epoch */
  readonly notAfter: number;
  /** Names and ranges that it may issue certificates for, as in `--ca-name-constraints`; empty where it may for all. */
  readonly permittedNames: readonly string[];
  /**
   * The certificates that must never count as roots towards upstreams: our own. What stands above one that was brought
   * along is not ours, and may well be the root of registries in the same house.
   */
  readonly certificatesDer: readonly Buffer[];
  /** Whether this very call made the authority. */
  readonly created: boolean;
  /**
   * Issues a certificate for one canonical host name or IP address (no brackets). Synchronous, under a millisecond.
   * Throws ProxyError `bad-authority` for what can't be a host, `internal` when the CA certificate has expired.
   *
   * @param now ms epoch
   */
  issueLeaf(host: string, now: number): Leaf;
  /** SHA-256 of the certificate that signs a leaf issued at this time (ms epoch); it is the leaf's `issuer`. */
  signerAt(now: number): string;
  /** Whether a client would accept a leaf for this canonical host, as far as name constraints go. */
  permits(host: string): boolean;
}

export interface AuthorityOptions {
  /** What a CA that is made by this call may issue certificates for, as in `--ca-name-constraints`; all where empty. */
  readonly permittedNames?: readonly string[];
  /** ms epoch */
  readonly now?: () => number;
}

/**
 * Loads the authority of a folder, or makes one if the folder has none. Safe to run in many processes at once: all end up
 * with the same authority. Throws ConfigError with a sentence for each problem.
 */
export async function openAuthority(directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const { files, created } = await prepareAuthority(directory, options);
  return assembleAuthority(directory, files, { now: (options.now ?? Date.now)(), created });
}

/** Makes an authority in a folder that has none, completes what was cut off, and gives the files as they are then. */
export async function prepareAuthority(
  directory: string,
  options: AuthorityOptions = {},
): Promise<{ readonly files: AuthorityFiles; readonly created: boolean }> {
  const now = options.now ?? Date.now;
  await prepareFolder(directory);
  await finishReplacement(directory);
  let files = await readAuthorityFiles(directory);
  let created = false;
  if (files.keyPem === undefined && files.certificatesPem === undefined) {
    const { keyPem, certificatePem } = newAuthority(now(), constraintsFrom(options.permittedNames ?? []));
    created = await publishKey(directory, keyPem + certificatePem);
    files = await readAuthorityFiles(directory);
  }
  const embedded = certificatesIn(files.keyPem);
  if (files.certificatesPem === undefined && embedded !== undefined) {
    await publishCertificate(directory, embedded);
    files = await readAuthorityFiles(directory);
  }
  if (files.keyPem !== undefined && files.certificatesPem !== undefined) await sweepTemporaryFiles(directory);
  return { files, created };
}

/** Loads the authority of a folder and writes nothing. Throws ConfigError with a sentence for each problem. */
export async function loadAuthority(directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const now = options.now ?? Date.now;
  return assembleAuthority(directory, await readAuthorityFiles(directory), { now: now() });
}

export interface AssembleOptions {
  /** ms epoch; undefined where an expired certificate will do. */
  readonly now: number | undefined;
  readonly created?: boolean;
}

/** Makes the authority of the files of a folder. Throws ConfigError with a sentence for each problem. */
export function assembleAuthority(directory: string, files: AuthorityFiles, options: AssembleOptions): Authority {
  const issuer = checkedIssuer(directory, files, options.now);
  return authorityOf(issuer, {
    certificatePath: certificatePath(directory),
    created: options.created ?? false,
    isOurs: certificatesIn(files.keyPem) !== undefined,
  });
}

export interface AuthorityOrigin extends Pick<Authority, 'certificatePath' | 'created'> {
  /** Whether entrepot made it, with all that stands above it. */
  readonly isOurs: boolean;
}

/** Makes an authority of an issuer. */
export function authorityOf(issuer: Issuer, { isOurs, ...origin }: AuthorityOrigin): Authority {
  const chain = [issuer.certificate, ...issuer.issuers];
  const certificate = issuer.certificate.x509;
  const trusted = trustedOf(chain).x509;
  const chainPem = chain.map(({ x509 }) => (isRoot(x509) ? '' : toPem('CERTIFICATE', x509.raw))).join('');
  const constraints = chain.flatMap(({ nameConstraints }) => nameConstraints ?? []);
  return {
    certificatePem: toPem('CERTIFICATE', certificate.raw),
    trustPem: toPem('CERTIFICATE', trusted.raw),
    chainPem,
    fingerprintSha256: trusted.fingerprint256,
    notAfter: issuer.notAfter,
    permittedNames: constraints.flatMap(describePermitted),
    certificatesDer: isOurs ? chain.map(({ x509 }) => x509.raw) : [certificate.raw],
    ...origin,
    issueLeaf: createLeafIssuer(issuer, chainPem),
    signerAt: () => certificate.fingerprint256,
    permits: (host) => constraints.every((names) => permitsHost(names, host)),
  };
}

/** What stands above us may be renewed without the clients, unless it is a root: then that is what they trust. */
function trustedOf(chain: readonly ReadCertificate[]): ReadCertificate {
  const [own, last] = [chain[0], chain.at(-1)];
  if (own === undefined || last === undefined) throw new Error('a chain has a certificate');
  return isRoot(last.x509) ? last : own;
}

function isRoot(certificate: ReadCertificate['x509']): boolean {
  return certificate.checkIssued(certificate);
}

function checkedIssuer(directory: string, files: AuthorityFiles, now: number | undefined): Issuer {
  const paths = { keyPath: keyPath(directory), certificatesPath: certificatePath(directory) };
  const certificatesPem = files.certificatesPem ?? certificatesIn(files.keyPem);
  const { keyPem } = files;
  if (keyPem === undefined && certificatesPem === undefined) {
    throw new ConfigError([`there is no CA in ${directory}: run "entrepot ca init", or start the proxy once`]);
  }
  if (keyPem === undefined) {
    throw new ConfigError([
      `${paths.certificatesPath} exists but ${paths.keyPath} doesn't: put its key there, or move ca.crt away to get a new CA`,
    ]);
  }
  if (certificatesPem === undefined) {
    throw new ConfigError([
      `${paths.keyPath} exists but ${paths.certificatesPath} doesn't: put its certificate there, or move ca.key away to get a new CA`,
    ]);
  }
  return readIssuer({ keyPem, keyMode: files.keyMode, certificatesPem, now, ...paths });
}
