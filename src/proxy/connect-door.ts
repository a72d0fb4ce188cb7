import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { asProxyError, ProxyError } from '../errors.js';
import { headerValues } from '../http/headers.js';
import { hasPassed } from '../http/via.js';
import { type Authority, parseAuthority } from '../net/authority.js';
import { dial } from '../net/dial.js';
import { createQuota } from '../net/quota.js';
import { createTokenBuckets } from '../net/token-buckets.js';
import { clientAddress } from './admission.js';
import type { DoorOptions, Engine, Passage, TunnelTarget, Visitor } from './contract.js';
import type { Gate } from './gate.js';
import { refusalOf, writeRefusal } from './refusal.js';
import { takeOverTls } from './tls-handover.js';
import { openTunnel, type Tunnel } from './tunnel.js';
import { decideConnect, type Verdict } from './verdict.js';

/** Answers CONNECT: refuses, opens a blind tunnel, or takes the inside over. */
export interface ConnectDoor {
  connect(request: IncomingMessage, socket: Socket, head: Buffer, passage: Passage | undefined): void;
  /** Blind tunnels that are open. */
  readonly tunnels: number;
  /** Ends the tunnels through which nothing has passed for `idleMs`. */
  closeIdleTunnels(idleMs: number): void;
  /** Gives up what is being connected. */
  close(): void;
}

/** Who sent a CONNECT, and what came with it. */
interface Caller {
  readonly socket: Socket;
  readonly head: Buffer;
  readonly by: Visitor;
  /** Its `Via`. */
  readonly passedVia: string | undefined;
}

const DIAL_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const TUNNEL_IDLE_TIMEOUT_MS = 15 * 60_000;
const MAX_HOSTS_SEEN = 10_000;

export function createConnectDoor(
  options: DoorOptions,
  gate: Gate,
  engine: () => Engine,
  newId: () => string,
): ConnectDoor {
  const tunnels = new Set<Tunnel>();
  const hostsSeen = new Set<string>();
  const closing = new AbortController();
  // One for each CONNECT that is being dialled: Node would take many for a leak, and say so.
  setMaxListeners(0, closing.signal);
  const handshakes = createQuota(options.limits.handshakes);
  const mints = createTokenBuckets(options.limits.mints);
  const events = options.events ?? {};

  async function judge(authority: Authority): Promise<Verdict> {
    const verdict = decideConnect(authority, options.policy, undefined);
    if (verdict.kind !== 'ask') return verdict;
    const known = await options.probe.verdictFor(authority.host, authority.port);
    return decideConnect(authority, options.policy, known);
  }

  function dialStraight({ host, port, signal }: TunnelTarget): Promise<Socket> {
    const timeoutMs = options.dialTimeoutMs ?? DIAL_TIMEOUT_MS;
    return dial({ host, port, guard: options.guard, timeoutMs, signal, allowHalfOpen: true });
  }

  async function tunnel({ socket, head, by, passedVia }: Caller, { host, port }: Authority): Promise<void> {
    const dialTunnel = options.dialTunnel ?? dialStraight;
    const upstream = await dialTunnel({ host, port, signal: closing.signal, passedVia });
    if (socket.destroyed) return void upstream.destroy();
    const opened = openTunnel(socket, upstream, {
      head,
      idleTimeoutMs: options.tunnelIdleTimeoutMs ?? TUNNEL_IDLE_TIMEOUT_MS,
    });
    tunnels.add(opened);
    events.onTunnelOpen?.(host, port);
    const bytes = await opened.closed;
    tunnels.delete(opened);
    events.onTunnelClose?.(host, port, bytes, by);
  }

  async function intercept({ socket, head, by }: Caller, { host, port }: Authority): Promise<void> {
    // Before the 200, so that a certificate that cannot be made is told and not guessed.
    const secureContext = options.leaves.contextFor(host);
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) socket.unshift(head);
    const timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    const handover = await takeOverTls(socket, { host, secureContext, timeoutMs });
    if (handover.socket === undefined) events.onClientTlsError?.(host, handover.fault, by.client);
    else engine().adopt(handover.socket, socket, { target: { scheme: 'https', host, port }, ...by });
  }

  /** Gives the function to call when the handshake is over. @throws ProxyError `overloaded` */
  function handshakeBegins(host: string, client: string): () => void {
    if (!options.leaves.holds(host) && !mints.take(client)) {
      throw new ProxyError('overloaded', `${client} asks for certificates of too many hosts; try again in a moment.`);
    }
    const over = handshakes.take(client);
    if (over === undefined) throw new ProxyError('overloaded', 'Too many TLS handshakes are in progress.');
    return over;
  }

  function noteFirst(host: string, port: number, why: string): void {
    const key = `${host}:${port}`;
    if (hostsSeen.has(key) || hostsSeen.size >= MAX_HOSTS_SEEN) return;
    hostsSeen.add(key);
    events.onFirstIntercept?.(host, port, why);
  }

  async function refuseNested(): Promise<void> {
    throw new ProxyError('method-refused', 'CONNECT is not answered inside a tunnel.');
  }

  async function answer(request: IncomingMessage, socket: Socket, head: Buffer, client: string): Promise<void> {
    const { rawHeaders } = request;
    const by = { client, user: await gate.authenticate(client, socket, rawHeaders) };
    if (options.viaId !== undefined && hasPassed(rawHeaders, options.viaId)) {
      throw new ProxyError(
        'loop',
        'This CONNECT has been through this proxy before: a proxy above it leads back to it.',
      );
    }
    const passed = headerValues(rawHeaders, 'via');
    const caller = { socket, head, by, passedVia: passed.length === 0 ? undefined : passed.join(', ') };
    const authority = parseAuthority(request.url ?? '');
    const verdict = await judge(authority);
    if (verdict.kind === 'refuse') throw new ProxyError('denied', verdict.message);
    if (authority.isAddress) options.guard.check(authority.host, authority.port);
    if (socket.destroyed) return;
    if (verdict.kind === 'tunnel') return tunnel(caller, authority);
    if (verdict.kind !== 'intercept') return undefined;
    const over = handshakeBegins(authority.host, client);
    noteFirst(authority.host, authority.port, verdict.reason);
    return intercept(caller, authority).finally(over);
  }

  return {
    connect: (request, socket, head, passage) => {
      socket.on('error', () => socket.destroy());
      const client = clientAddress(socket);
      const answered = passage === undefined ? answer(request, socket, head, client) : refuseNested();
      answered.catch((error: unknown) => {
        const fault = asProxyError(error);
        events.onRefused?.(fault.code, fault.message, client);
        writeRefusal(socket, refusalOf(error, newId()));
      });
    },
    get tunnels() {
      return tunnels.size;
    },
    closeIdleTunnels: (idleMs) => {
      for (const tunnel of tunnels) if (tunnel.idleMs >= idleMs) tunnel.destroy();
    },
    close: () => closing.abort(),
  };
}
