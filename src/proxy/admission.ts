import net from 'node:net';
import { ProxyError } from '../errors.js';
import { plainAddress, type Ranges } from '../net/address-ranges.js';

/**
 * Lets only the permitted clients in, by socket address: headers that name another one prove nothing.
 * @throws ProxyError `denied`, naming the option and the range to add
 */
export function admitClient(client: string, allowed: Ranges): void {
  if (allowed.contains(client)) return;
  const range = `${client}/${net.isIPv6(client) ? 128 : 32}`;
  throw new ProxyError(
    'denied',
    `${client} may not use this proxy; start it with --allow-clients ${range} to let it in.`,
  );
}

/** The address at the other end of a socket, without port, IPv4 in its own notation; empty once the socket is closed. */
export function clientAddress(socket: { readonly remoteAddress?: string | undefined }): string {
  return plainAddress(socket.remoteAddress ?? '');
}
