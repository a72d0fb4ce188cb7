import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import type { Ranges } from '../net/address-ranges.js';
import { putNewest } from '../net/put-newest.js';
import { createQuota, type QuotaLimits } from '../net/quota.js';
import { admitClient, clientAddress } from './admission.js';
import type { ProxyAuth } from './proxy-auth.js';

const MAX_REMEMBERED = 1000;

export interface GateOptions {
  readonly allowClients: Ranges;
  /** Undefined where no password is asked for. */
  readonly proxyAuth?: ProxyAuth | undefined;
  readonly limits: { readonly connections: QuotaLimits; readonly turnedAway: QuotaLimits };
}

/** Decides who comes in: by address, by room, and by password. */
export interface Gate {
  /**
   * Counts a new connection. Beyond the limits, and from addresses that may not use the proxy, a few are kept open to be
   * told why; the others are closed without a word, so that no client can use up the file descriptors.
   */
  connected(socket: Socket): void;
  /** Lets a client in by address and room alone. @throws ProxyError `denied` or `overloaded` */
  admit(client: string, socket: Duplex): void;
  /**
   * Lets a client in that wants to reach an upstream; gives the name of its user.
   * @throws ProxyError as `admit` does, and `proxy-auth`
   */
  authenticate(client: string, socket: Duplex, headers: RawHeaders): Promise<string | undefined>;
}

export function createGate({ allowClients, proxyAuth, limits }: GateOptions): Gate {
  const isAllowed = remembering((client) => allowClients.contains(client));
  const connections = createQuota(limits.connections);
  const turnedAway = createQuota(limits.turnedAway);
  /** Connections that were let in when they came; their address stays what it is. */
  const welcome = new WeakSet<Duplex>();
  const surplus = new WeakSet<Duplex>();

  function admit(client: string, socket: Duplex): void {
    if (welcome.has(socket)) return;
    admitClient(client, allowClients);
    if (!surplus.has(socket)) return;
    throw new ProxyError(
      'overloaded',
      `${client}, or all clients together, have as many connections as this proxy takes (--max-client-connections, --max-connections).`,
    );
  }

  return {
    connected: (socket) => {
      const client = clientAddress(socket);
      const place = isAllowed(client) ? connections.take(client) : undefined;
      const last = place ?? turnedAway.take(client);
      if (last === undefined) {
        socket.destroy();
        return;
      }
      (place === undefined ? surplus : welcome).add(socket);
      socket.once('close', last);
    },
    admit,
    authenticate: async (client, socket, headers) => {
      admit(client, socket);
      return proxyAuth?.check(headers, client);
    },
  };
}

/** The same answer for the same address: nodes make a connection for every request, and addresses are compared bit by bit. */
function remembering(ask: (client: string) => boolean): (client: string) => boolean {
  const answers = new Map<string, boolean>();
  return (client) => {
    const known = answers.get(client);
    if (known !== undefined) return known;
    const answer = ask(client);
    putNewest(answers, client, answer, MAX_REMEMBERED);
    return answer;
  };
}
