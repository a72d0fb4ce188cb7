import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.js';
import { topology } from './topology.js';

/** PEM texts and the files that hold them. */
export interface Certificates {
  /** The authority that signed every upstream's certificate. */
  readonly authorityFile: string;
  readonly serverKeyFile: string;
  readonly serverCertificateFile: string;
  /** The key and certificate that sign the token server's tokens. */
  readonly tokenKeyFile: string;
  readonly tokenCertificateFile: string;
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes the lab's own authority, one certificate for all upstream names, and the token signer. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const file = (name: string): string => join(folder, name);
  const files = {
    authorityFile: file('authority.crt'),
    serverKeyFile: file('server.key'),
    serverCertificateFile: file('server.crt'),
    tokenKeyFile: file('token.key'),
    tokenCertificateFile: file('token.crt'),
  };
  const authority = ['-x509', '-days', '30', '-subj', '/CN=entrepot lab upstream CA', ...newKey];
  const forAuthority = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  const extensions = forAuthority.flatMap((extension) => ['-addext', extension]);
  const authorityKey = file('authority.key');
  await run('openssl', ['req', ...authority, ...extensions, '-keyout', authorityKey, '-out', files.authorityFile]);

  const names = Object.values(topology).flatMap((place) => place.names.map((name) => `DNS:${name}`));
  await writeFile(file('server.ext'), `subjectAltName=${names.join(',')}\nextendedKeyUsage=serverAuth\n`);
  const request = file('server.csr');
  await run('openssl', ['req', ...newKey, '-subj', '/CN=lab', '-keyout', files.serverKeyFile, '-out', request]);
  const signer = ['-CA', files.authorityFile, '-CAkey', authorityKey, '-CAcreateserial', '-days', '30'];
  const certificate = ['-extfile', file('server.ext'), '-out', files.serverCertificateFile];
  await run('openssl', ['x509', '-req', '-in', request, ...signer, ...certificate]);

  // Distribution 2.8 checks tokens with RSA keys named by the certificate chain in the token's header.
  const token = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=entrepot lab token signer'];
  await run('openssl', ['req', ...token, '-keyout', files.tokenKeyFile, '-out', files.tokenCertificateFile]);
  return files;
}

/**
 * Adds an authority to the trust store, as a node's administrator does. The store is the lab's own: run.sh has mounted
 * a folder over the machine's, and this throws where it has not.
 */
export async function trust(certificateFile: string): Promise<void> {
  const lab = process.env['LAB_FOLDER'];
  if (lab === undefined) throw new Error('not inside the lab: start this through test/lab/run.sh');
  await appendFile(join(lab, 'trust', 'ca-certificates.crt'), await readFile(certificateFile));
}
