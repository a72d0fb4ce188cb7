import { isIP } from 'node:net';
import { rangeBytes } from './address-ranges.js';
import { parseHostPattern } from './host-pattern.js';

/**
 * One entry of `--ca-name-constraints`, as a certificate can say it (RFC 5280 section 4.2.1.10): a name together with
 * everything below it, or a range of addresses.
 */
export type PermittedName =
  | { readonly kind: 'dns'; readonly name: string }
  | { readonly kind: 'ip'; readonly address: Buffer; readonly mask: Buffer };

/** Words of `--intercept` that stand for hosts which are not known beforehand. */
const OPEN_WORDS: ReadonlySet<string> = new Set(['auto', 'all', 'none']);

/**
 * Reads `example.com` or `*.example.com` (both mean the name and everything below it), `10.0.0.0/8`, `fd00::/8` or a
 * single address.
 * @throws Error with one sentence for the user
 */
export function parsePermittedName(text: string): PermittedName {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (bare.includes('/') || isIP(bare) !== 0) return { kind: 'ip', ...rangeBytes(bare) };
  const { host, isWildcard, port } = parseHostPattern(text);
  if (port !== undefined) {
    throw new Error(`${JSON.stringify(text)} names a port, and certificates know none; write the host alone.`);
  }
  return { kind: 'dns', name: isWildcard ? host.slice(1) : host };
}

/** The one spelling of an entry, by which two lists can be compared. @throws as `parsePermittedName` */
export function canonicalPermittedName(text: string): string {
  const name = parsePermittedName(text);
  return name.kind === 'dns' ? name.name : formatRange(name.address, name.mask);
}

/** `10.0.0.0/8` of its bytes; a mask with holes is counted as if it had none. */
export function formatRange(address: Buffer, mask: Buffer): string {
  const bits = [...mask].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  if (address.length === 4) return `${address.join('.')}/${bits}`;
  const words = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16));
  const { hostname } = new URL(`http://[${words.join(':')}]`);
  return `${hostname.slice(1, -1)}/${bits}`;
}

/** The hosts of `--intercept`, where it names them all; undefined where it leaves some open (`auto`, `all`, `none`). */
export function fixedHosts(intercept: readonly string[]): readonly string[] | undefined {
  if (intercept.length === 0 || intercept.some((entry) => OPEN_WORDS.has(entry))) return undefined;
  const hosts = intercept.map((entry) => {
    const { host, isWildcard } = parseHostPattern(entry);
    return isWildcard ? host.slice(1) : host;
  });
  return [...new Set(hosts)];
}
