import { isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A set of IP addresses, given as CIDR ranges. */
export interface Ranges {
  /** True where the address lies in a range. IPv4 inside IPv6 (mapped, NAT64) counts as IPv4. False for what is no address. */
  contains(address: string): boolean;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Who may use the proxy unless told otherwise: loopback, private, carrier-grade NAT, ULA and link-local addresses. */
export const DEFAULT_CLIENT_RANGES: readonly string[] = [
  '127.0.0.0/8',
  '::1/128',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
  '169.254.0.0/16',
  'fe80::/10',
];

// RFC 6052: the well-known prefix under which a NAT64 gateway reaches all of IPv4.
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/** Reads CIDR ranges and single addresses. @throws Error with one sentence for the user, for the first one that is wrong */
export function parseRanges(list: readonly string[]): Ranges {
  const ranges = list.map(parseRange);
  return {
    contains: (text) => {
      const address = readAddress(text);
      if (address === undefined) return false;
      return ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits));
    },
  };
}

/** The address in its plainest form: IPv4 where IPv6 only wraps it, canonical otherwise; the text itself where it is no address. */
export function plainAddress(text: string): string {
  // Node knows only the plainest form of IPv4, and most addresses are of that kind.
  if (isIPv4(text)) return text;
  return readAddress(text)?.toString() ?? text;
}

/**
 * A CIDR range or a single address as the bytes of its first address and of its mask, 4 or 16 each.
 * @throws Error with one sentence for the user
 */
export function rangeBytes(text: string): { readonly address: Buffer; readonly mask: Buffer } {
  const [base, bits] = parseRange(text);
  const bytes = base.toByteArray();
  const mask = Buffer.from(bytes.map((_, index) => 0xff00 >> Math.min(8, Math.max(0, bits - index * 8))));
  return { address: Buffer.from(bytes.map((byte, index) => byte & (mask[index] ?? 0))), mask };
}

function parseRange(text: string): [Address, number] {
  const [base = '', bits, ...rest] = text.split('/');
  const address = isWritten(base) ? readAddress(base) : undefined;
  // Addresses are compared unwrapped, and so a range of wrapped addresses is one of IPv4.
  const skipped = address?.kind() === 'ipv4' && base.includes(':') ? 96 : 0;
  const width = address?.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) - skipped : -1;
  if (address === undefined || rest.length > 0 || length < 0 || length > width) {
    throw new Error(`${JSON.stringify(text)} is not an address range; write 10.0.0.0/8, fd00::/8 or a single address.`);
  }
  return [address, length];
}

/** Only the four-part form of IPv4: ipaddr.js would take `127.1` as well. */
function isWritten(address: string): boolean {
  return address.includes(':') || ipaddr.IPv4.isValidFourPartDecimal(address);
}

function readAddress(text: string): Address | undefined {
  const bare = text.split('%', 1)[0] ?? '';
  if (!ipaddr.isValid(bare)) return undefined;
  const address = ipaddr.process(bare);
  if (address instanceof ipaddr.IPv6 && address.match(NAT64)) return new ipaddr.IPv4(address.toByteArray().slice(12));
  return address;
}
