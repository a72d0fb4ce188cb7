import { isIP } from 'node:net';
import { parseAuthority } from './authority.js';

/** Addresses that whoever runs the proxy has named for hosts, in place of what name servers say. */
export interface AddressOverrides {
  /** In the order in which they were named; undefined where none were. Those for the port count before those for any. */
  find(host: string, port: number): readonly string[] | undefined;
}

/**
 * Reads entries `host=address` and `host:port=address`; several for one host are several addresses.
 * @throws Error with one sentence for the user, for the first entry that is wrong
 */
export function parseOverrides(list: readonly string[]): AddressOverrides {
  const byPlace = new Map<string, string[]>();
  for (const text of list) {
    const { key, address } = parseEntry(text);
    byPlace.set(key, [...(byPlace.get(key) ?? []), address]);
  }
  return { find: (host, port) => byPlace.get(`${host} ${port}`) ?? byPlace.get(`${host} 0`) };
}

function parseEntry(text: string): { key: string; address: string } {
  const at = text.indexOf('=');
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  try {
    // Port 0 stands for any.
    const { host, port, isAddress } = parseAuthority(text.slice(0, Math.max(0, at)), 0);
    if (isAddress || isIP(address) === 0) throw new Error('a name on the left, an address on the right');
    return { key: `${host} ${port}`, address };
  } catch (cause) {
    throw new Error(
      `${JSON.stringify(text)} names no address for a host; write registry.example=10.0.0.5 or registry.example:5000=10.0.0.5.`,
      { cause },
    );
  }
}
