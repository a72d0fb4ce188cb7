import { checkServerIdentity, type PeerCertificate } from 'node:tls';

/**
 * Whether a certificate is for this host: by its subject alternative names alone. Node would fall back to the common
 * name, which nobody checks any more (RFC 9110 section 4.3.4). Gives what is wrong, as node:tls wants it.
 */
export function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  return checkServerIdentity(host, { ...certificate, subject: {} });
}
