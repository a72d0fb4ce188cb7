import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { ConfigError } from '../errors.js';
import {
  type AuthorityFiles,
  certificatePath,
  keyPath,
  prepareFolder,
  publishCertificate,
  publishKey,
  readAuthorityFiles,
  sweepTemporaryFiles,
} from './authority-files.js';
import { CLOCK_SKEW_MS, DAY_MS, distinguishedName, issueCertificate } from './certificate.js';
import { authorityConstraints, KEY_USAGE, keyIdentifier, keyUsage, subjectKeyIdentifier } from './extensions.js';
import { type Issuer, readIssuer } from './issuer.js';
import { createLeafIssuer, type Leaf } from './leaf.js';
import { isCertificate, pemBlocks, toPem } from './pem.js';
import { signingKey } from './signing-key.js';

/** The certificate authority that clients trust, ready to issue leaves. */
export interface Authority {
  /** Our own certificate, the one to hand out to clients. */
  readonly certificatePem: string;
  /** What a server sends after its leaf: our certificate and those above it, but no root, which a client must have anyway. */
  readonly chainPem: string;
  /** The file in the folder that begins with `certificatePem`. */
  readonly certificatePath: string;
  /** SHA-256 of our certificate, as `AA:BB:…`. */
  readonly fingerprintSha256: string;
  /** ms epoch */
  readonly notAfter: number;
  /**
   * The certificates that must never count as roots towards upstreams: our own. What stands above it is not ours, and
   * may well be the root of registries in the same house.
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
}

export interface AuthorityOptions {
  /** ms epoch */
  readonly now?: () => number;
}

/** Ten years. */
const LIFE_MS = 3652 * DAY_MS;

/**
 * Loads the authority of a folder, or makes one if the folder has none. Safe to run in many processes at once: all end up
 * with the same authority. Throws ConfigError with a sentence for each problem.
 */
export async function openAuthority(directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const now = options.now ?? Date.now;
  await prepareFolder(directory);
  let files = await readAuthorityFiles(directory);
  let created = false;
  if (files.keyPem === undefined && files.certificatesPem === undefined) {
    created = await publishKey(directory, newAuthorityPem(now()));
    files = await readAuthorityFiles(directory);
  }
  const embedded = certificatesBelowKey(files);
  if (files.certificatesPem === undefined && embedded !== undefined) {
    await publishCertificate(directory, embedded);
    files = await readAuthorityFiles(directory);
  }
  const authority = assemble(directory, files, now(), created);
  await sweepTemporaryFiles(directory);
  return authority;
}

/** Loads the authority of a folder and writes nothing. Throws ConfigError with a sentence for each problem. */
export async function loadAuthority(directory: string, options: AuthorityOptions = {}): Promise<Authority> {
  const now = options.now ?? Date.now;
  return assemble(directory, await readAuthorityFiles(directory), now(), false);
}

function assemble(directory: string, files: AuthorityFiles, now: number, created: boolean): Authority {
  const issuer = checkedIssuer(directory, files, now);
  const certificate = issuer.certificate.x509;
  const sent = [certificate, ...issuer.issuers.map(({ x509 }) => x509)].filter((one) => !one.checkIssued(one));
  const chainPem = sent.map((one) => toPem('CERTIFICATE', one.raw)).join('');
  return {
    certificatePem: toPem('CERTIFICATE', certificate.raw),
    chainPem,
    certificatePath: certificatePath(directory),
    fingerprintSha256: certificate.fingerprint256,
    notAfter: issuer.notAfter,
    certificatesDer: [certificate.raw],
    created,
    issueLeaf: createLeafIssuer(issuer, chainPem),
  };
}

function checkedIssuer(directory: string, files: AuthorityFiles, now: number): Issuer {
  const paths = { keyPath: keyPath(directory), certificatesPath: certificatePath(directory) };
  const certificatesPem = files.certificatesPem ?? certificatesBelowKey(files);
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

/** The certificates that our own `ca.key` carries below the key, if any. */
function certificatesBelowKey({ keyPem }: AuthorityFiles): string | undefined {
  const certificates = pemBlocks(keyPem ?? '').filter(isCertificate);
  return certificates.length === 0 ? undefined : certificates.map((block) => block.text).join('');
}

/** A new P-256 key and its self-signed certificate, one after the other. */
function newAuthorityPem(now: number): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  const name = distinguishedName(`entrepot CA ${randomBytes(4).toString('hex')}`);
  const certificate = issueCertificate(
    {
      issuer: name,
      subject: name,
      notBefore: now - CLOCK_SKEW_MS,
      notAfter: now + LIFE_MS,
      publicKey,
      extensions: [
        authorityConstraints(),
        keyUsage(KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
      ],
    },
    signingKey(privateKey),
  );
  return toPem('PRIVATE KEY', privateKey.export({ type: 'pkcs8', format: 'der' })) + toPem('CERTIFICATE', certificate);
}
