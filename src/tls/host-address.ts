import { isIP } from 'node:net';
import forge from 'node-forge';

declare module 'node-forge' {
  namespace util {
    /** Missing from the published types. */
    function bytesFromIP(address: string): string | null;
  }
}

/** The 4 or 16 bytes of a host that is an IP address (no brackets); undefined for a name. */
export function hostAddress(host: string): Buffer | undefined {
  switch (isIP(host)) {
    case 4:
      return Buffer.from(host.split('.').map(Number));
    case 6:
      return ipv6Bytes(host);
    default:
      return undefined;
  }
}

function ipv6Bytes(address: string): Buffer {
  // The URL parser writes an IPv4 address in the last four bytes as hexadecimal, the only form that forge reads.
  const { hostname } = new URL(`http://[${address}]`);
  return Buffer.from(forge.util.bytesFromIP(hostname.slice(1, -1)) ?? '', 'latin1');
}
