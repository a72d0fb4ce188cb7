import net from 'node:net';
import { ProxyError } from '../errors.js';

/** A host and a port, in the one spelling that serves as a key everywhere. */
export interface Authority {
  /** Lower case, no trailing dot; IPv6 in RFC 5952 form and without brackets. */
  readonly host: string;
  readonly port: number;
  /** True where the host is an IP address. */
  readonly isAddress: boolean;
}

const MAX_NAME_LENGTH = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
// What inet_aton, and with it every resolver, reads as a number: such a name would be an address in disguise.
const NUMERIC_LABEL = /^(?:\d+|0x[0-9a-f]*)$/;
const PORT = /^[1-9]\d{0,4}$/;

/**
 * Reads `host:port` as it stands in a CONNECT request, a Host header or a URL. Stricter than RFC 3986: names are
 * letters, digits, hyphens and (because they exist) underscores; addresses have only their canonical spelling, since
 * resolvers read `127.1`, `0x7f.1` and `2130706433` as loopback.
 * @param defaultPort used where the text names no port; without it a port is required
 * @throws ProxyError `bad-authority`
 */
export function parseAuthority(text: string, defaultPort?: number): Authority {
  const bracketed = text.startsWith('[');
  const hostEnd = bracketed ? text.indexOf(']') + 1 : text.includes(':') ? text.indexOf(':') : text.length;
  if (hostEnd === 0) throw badAuthority(text, 'the bracket is not closed');
  const port = readPort(text, text.slice(hostEnd), defaultPort);
  if (bracketed) return { host: canonicalIPv6(text, text.slice(1, hostEnd - 1)), port, isAddress: true };
  const host = text.slice(0, hostEnd).toLowerCase();
  if (net.isIPv4(host)) return { host, port, isAddress: true };
  return { host: canonicalName(text, host), port, isAddress: false };
}

/** The authority as it stands in a URL or Host header: IPv6 in brackets, the port left out where it is the default. */
export function formatAuthority(host: string, port: number, defaultPort?: number): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === defaultPort ? name : `${name}:${port}`;
}

function readPort(text: string, suffix: string, defaultPort: number | undefined): number {
  if (suffix === '' && defaultPort !== undefined) return defaultPort;
  const digits = suffix.slice(1);
  if (suffix === '' || suffix === ':') throw badAuthority(text, 'it names no port');
  if (!suffix.startsWith(':') || !PORT.test(digits) || Number(digits) > 65_535) {
    throw badAuthority(text, 'the port is not a number from 1 to 65535');
  }
  return Number(digits);
}

function canonicalIPv6(text: string, address: string): string {
  // A zone (`fe80::1%eth0`) means something on one machine only.
  if (!/^[0-9a-f:.]+$/i.test(address) || !net.isIPv6(address)) {
    throw badAuthority(text, 'the brackets do not hold an IPv6 address');
  }
  const canonical = new net.SocketAddress({ address, family: 'ipv6' }).address;
  if (canonical.startsWith('::ffff:') && canonical.includes('.')) {
    throw badAuthority(text, 'an IPv4 address is to be written as such');
  }
  return canonical;
}

function canonicalName(text: string, name: string): string {
  const host = name.endsWith('.') ? name.slice(0, -1) : name;
  if (host === '') throw badAuthority(text, 'it names no host');
  if (host.length > MAX_NAME_LENGTH) throw badAuthority(text, `a host name has at most ${MAX_NAME_LENGTH} characters`);
  const labels = host.split('.');
  if (!labels.every((label) => LABEL.test(label))) {
    throw badAuthority(text, 'a host name is made of letters, digits, hyphens and dots');
  }
  if (NUMERIC_LABEL.test(labels.at(-1) ?? '')) {
    throw badAuthority(text, 'an IPv4 address is written as four decimal numbers');
  }
  return host;
}

/** Names the text, unless a password, a path or a query may stand in it: the message is logged. */
function badAuthority(text: string, why: string): ProxyError {
  const cut = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  const shown = /[@/?#]/.test(text) ? 'What was asked for' : JSON.stringify(cut);
  return new ProxyError('bad-authority', `${shown} is not a host and port: ${why}.`);
}
