import { X509Certificate } from 'node:crypto';
import { loadConfig } from '../config/load.js';
import { type Authority, loadAuthority } from '../tls/authority.js';
import { type Command, renderPairs } from './command.js';

export const caShow: Command = {
  words: ['ca', 'show'],
  summary: 'tell what the CA certificate says',
  options: ['ca-dir'],
  takesJson: true,
  run: async ({ flags, json }, io) => {
    const authority = await loadAuthority(loadConfig({ ...io, flags }).caDir);
    const pairs = authorityPairs(authority);
    io.out(json ? `${JSON.stringify(Object.fromEntries(pairs), undefined, 2)}\n` : renderPairs(pairs));
    return 0;
  },
};

/** Subject, fingerprint, validity and place of the CA certificate, by name. Times are ISO 8601, UTC. */
export function authorityPairs(authority: Authority): readonly (readonly [string, string])[] {
  const certificate = new X509Certificate(authority.certificatePem);
  return [
    ['subject', certificate.subject.replaceAll('\n', ', ')],
    ['fingerprintSha256', authority.fingerprintSha256],
    ['notBefore', new Date(certificate.validFrom).toISOString()],
    ['notAfter', new Date(certificate.validTo).toISOString()],
    ['certificatePath', authority.certificatePath],
  ];
}
