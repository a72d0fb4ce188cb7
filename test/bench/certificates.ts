import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import type { Certificates } from './peers/peer.js';

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes an authority and a P-256 certificate of it for localhost: the same kind of key as entrepot's leaves have. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string): string => join(folder, name);
  const authority = file('authority.crt');
  const authorityKey = file('authority.key');
  const use = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  const extensions = use.flatMap((extension) => ['-addext', extension]);
  const subject = ['-x509', '-days', '30', '-subj', '/CN=entrepot bench CA'];
  await run('openssl', ['req', ...subject, ...NEW_KEY, ...extensions, '-keyout', authorityKey, '-out', authority]);

  const certificate = file('server.crt');
  const key = file('server.key');
  const request = file('server.csr');
  await writeFile(file('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
  await run('openssl', ['req', ...NEW_KEY, '-subj', '/CN=localhost', '-keyout', key, '-out', request]);
  const signer = ['-CA', authority, '-CAkey', authorityKey, '-CAcreateserial', '-days', '30'];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    request,
    ...signer,
    '-extfile',
    file('server.ext'),
    '-out',
    certificate,
  ]);
  return { authority, authorityKey, certificate, key };
}
