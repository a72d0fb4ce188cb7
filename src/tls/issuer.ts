import { createPrivateKey, type KeyObject } from 'node:crypto';
import { ConfigError } from '../errors.js';
import { isCertificate, isEncrypted, isPrivateKey, pemBlocks } from './pem.js';
import { type ReadCertificate, readCertificate } from './read-certificate.js';
import { unsuitableKey } from './signing-key.js';

/** A private key and its certificate, fit to sign leaves, with what stands above it. */
export interface Issuer {
  readonly key: KeyObject;
  readonly certificate: ReadCertificate;
  /** The certificates above ours, each having issued the one before it. Empty for a root. */
  readonly issuers: readonly ReadCertificate[];
  /** When it or one of those above it expires, whichever is first. ms epoch */
  readonly notAfter: number;
}

/** The texts to read an issuer from, and what to call them in a sentence. */
export interface IssuerSource {
  readonly keyPem: string;
  readonly keyPath: string;
  /** Permission bits of the key's file. */
  readonly keyMode: number;
  readonly certificatesPem: string;
  readonly certificatesPath: string;
  /** ms epoch; undefined where it does not matter whether the certificate is valid today. */
  readonly now: number | undefined;
}

/**
 * Reads a private key (PKCS#8, PKCS#1 or SEC1) and its certificate followed by those above it. Throws ConfigError with a
 * sentence for each thing that is wrong.
 */
export function readIssuer(source: IssuerSource): Issuer {
  const problems: string[] = [];
  if ((source.keyMode & 0o007) !== 0) {
    problems.push(`${source.keyPath} is open to every user of this machine: run "chmod 0600 ${source.keyPath}"`);
  }
  const key = readKey(source);
  const chain = readChain(source);
  if (typeof key === 'string') problems.push(key);
  if (typeof chain === 'string') problems.push(chain);
  if (typeof key === 'string' || typeof chain === 'string') throw new ConfigError(problems);

  const [certificate, ...issuers] = chain;
  if (!certificate.x509.checkPrivateKey(key)) {
    problems.push(
      `${source.keyPath} is not the key of the first certificate in ${source.certificatesPath}: put the two that belong together there`,
    );
  }
  problems.push(...certificateProblems(certificate, source));
  if (problems.length > 0) throw new ConfigError(problems);
  return { key, certificate, issuers, notAfter: Math.min(...chain.map(({ x509 }) => Date.parse(x509.validTo))) };
}

function readKey({ keyPem, keyPath }: IssuerSource): KeyObject | string {
  const block = pemBlocks(keyPem).find(isPrivateKey);
  if (block === undefined) return `${keyPath} holds no private key in PEM form: put the CA's key there`;
  if (isEncrypted(block)) {
    return `the key in ${keyPath} is encrypted: store it without a passphrase (openssl pkey -in ca.key -out ca.key.plain) and with mode 0600`;
  }
  try {
    const key = createPrivateKey(block.text);
    const reason = unsuitableKey(key);
    return reason === undefined
      ? key
      : `the key in ${keyPath} ${reason}: use RSA of 2048 bits or more, P-256, P-384 or P-521`;
  } catch {
    return `the private key in ${keyPath} can't be read: put the CA's key there in PEM form`;
  }
}

type Chain = readonly [ReadCertificate, ...ReadCertificate[]];

function readChain({ certificatesPem, certificatesPath }: IssuerSource): Chain | string {
  const certificates: ReadCertificate[] = [];
  for (const block of pemBlocks(certificatesPem).filter(isCertificate)) {
    try {
      certificates.push(readCertificate(block.text));
    } catch {
      return `certificate ${certificates.length + 1} in ${certificatesPath} can't be read: put the CA's certificate there in PEM form`;
    }
  }
  const [certificate, ...issuers] = certificates;
  if (certificate === undefined) {
    return `${certificatesPath} holds no certificate in PEM form: put the CA's certificate there`;
  }
  const broken = issuers.findIndex((issuer, index) => !issued(issuer, certificates[index] ?? issuer));
  if (broken >= 0) {
    return `certificate ${broken + 2} in ${certificatesPath} did not issue certificate ${broken + 1}: list the CA's own certificate first, then each one's issuer`;
  }
  return [certificate, ...issuers];
}

function issued({ x509: issuer }: ReadCertificate, { x509: certificate }: ReadCertificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

/** Why leaves issued by this certificate would be refused. */
function certificateProblems(certificate: ReadCertificate, { certificatesPath, now }: IssuerSource): readonly string[] {
  const { validFrom, validTo } = certificate.x509;
  const problems: string[] = [];
  if (!certificate.isAuthority) {
    problems.push('is not a CA certificate (basicConstraints has no CA:TRUE): use one that may issue certificates');
  }
  if (!certificate.maySignCertificates) {
    problems.push('may not sign certificates (keyUsage has no keyCertSign): use one that may');
  }
  if (!certificate.mayServe) {
    problems.push('may not issue server certificates (extendedKeyUsage has no serverAuth): use one that may');
  }
  if (now !== undefined && now >= Date.parse(validTo)) {
    problems.push(`expired on ${validTo}: move ca.key and ca.crt away to get a new CA, and trust it on the clients`);
  }
  if (now !== undefined && now < Date.parse(validFrom)) {
    problems.push(`is valid only from ${validFrom} on: check this machine's clock`);
  }
  return problems.map((problem) => `the first certificate in ${certificatesPath} ${problem}`);
}
