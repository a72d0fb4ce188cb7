import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../errors.js';
import { parseCertificate, readCertificates } from './root-certificates.js';

/** What we show to a registry that asks for a certificate, as node:tls takes it. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a client certificate, with those above it, and its key.
 * @param origin where the configuration names them
 * @throws ConfigError where a file cannot be read, is of no use, or the two do not belong together
 */
export async function readClientCertificate(
  certFile: string,
  keyFile: string,
  origin: string,
): Promise<ClientCertificate> {
  const certificates = await readCertificates(certFile, `${origin}: ${certFile}`);
  const named = `${origin}: ${keyFile}`;
  const key = await readFile(keyFile, 'utf8').catch((error: unknown) => {
    throw new ConfigError([`${named} cannot be read: ${(error as Error).message}`]);
  });
  const [leaf = ''] = certificates;
  if (!keyFits(leaf, key, named)) throw new ConfigError([`${named} is not the key of ${certFile}`]);
  return { cert: certificates.join('\n'), key };
}

function keyFits(leaf: string, key: string, named: string): boolean {
  try {
    return parseCertificate(leaf)?.checkPrivateKey(createPrivateKey(key)) === true;
  } catch {
    throw new ConfigError([`${named} holds no private key that can be read; it must be PEM without a passphrase`]);
  }
}
