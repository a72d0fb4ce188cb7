import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { FaultCode } from '../errors.js';
import type { Exchange, RawHeaders, Target } from '../http/exchange.js';
import type { Ranges } from '../net/address-ranges.js';
import type { EgressGuard } from '../net/egress-guard.js';
import type { QuotaLimits } from '../net/quota.js';
import type { BucketLimits } from '../net/token-buckets.js';
import type { ProxyAuth } from './proxy-auth.js';
import type { RegistryProbe } from './registry-probe.js';
import type { ClientTlsFault } from './tls-handover.js';
import type { TunnelBytes } from './tunnel.js';
import type { HostPolicy } from './verdict.js';

/** What a connection inside an opened tunnel belongs to: fixed by its CONNECT, whatever is said inside. */
export interface Passage {
  readonly target: Target;
  /** The client's socket address, without port. */
  readonly client: string;
  /** The name that the client proved by its password; undefined where none was asked for. */
  readonly user?: string | undefined;
}

/** What the HTTP machinery reports. `passage` is undefined on the proxy's own port. */
export interface EngineEvents {
  /** A new connection to the proxy's own port, before anything was read from it. */
  connection(socket: Socket): void;
  /** A CONNECT. Nothing has been answered; the socket belongs to the receiver. */
  connect(request: IncomingMessage, socket: Socket, head: Buffer, passage: Passage | undefined): void;
  /** A request whose head has been parsed and not been judged. The receiver answers. */
  request(request: IncomingMessage, response: ServerResponse, passage: Passage | undefined): void;
  /** A request with an Expect that is not 100-continue. The receiver answers. */
  expectation(request: IncomingMessage, response: ServerResponse, passage: Passage | undefined): void;
  /** A request to upgrade inside a tunnel. The socket belongs to the receiver. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, passage: Passage): void;
  /** Bytes that are not HTTP, or a head that did not come in time. `answering` is true where an answer is under way. */
  clientError(error: NodeJS.ErrnoException, socket: Duplex, answering: boolean): void;
}

export interface EngineOptions {
  readonly host: string;
  readonly port: number;
  /** How long a request's head may take. */
  readonly headersTimeoutMs: number;
  /** How long a connection may stay open between requests. */
  readonly keepAliveTimeoutMs: number;
  /** How often the time limits are looked at. */
  readonly checkIntervalMs: number;
}

/** The HTTP machinery under the proxy: one server on the proxy's port, one for what comes out of opened tunnels. */
export interface Engine {
  listen(): Promise<AddressInfo>;
  /** Hands over the inside of a tunnel whose TLS has been ended in this process, on top of the socket of its CONNECT. */
  adopt(secured: TLSSocket, outer: Socket, passage: Passage): void;
  /** Connections with a request, tunnel or upgrade under way. */
  readonly busy: number;
  /** Takes no new connections and closes those on which nothing is under way, now and as others come to rest. */
  drain(): void;
  /** Ends everything that is left and gives the port back. Safe to call more than once. */
  close(): Promise<void>;
}

/** Builds an engine; nothing happens before `listen`. */
export type CreateEngine = (options: EngineOptions, events: EngineEvents) => Engine;

/** Who opened a tunnel. */
export type Visitor = Pick<Passage, 'client' | 'user'>;

/** How much the door holds and does for its clients at once. */
export interface DoorLimits {
  /** Connections to the proxy's port, tunnels included. */
  readonly connections: QuotaLimits;
  /** Connections beyond that, and from strangers, which are kept open only to be told so. */
  readonly turnedAway: QuotaLimits;
  /** TLS handshakes in progress. */
  readonly handshakes: QuotaLimits;
  /** Requests that are being answered. */
  readonly exchanges: QuotaLimits;
  /** Certificates made for hosts that have none yet. */
  readonly mints: BucketLimits;
}

/** What the door tells to whoever logs and counts. None of these may throw. */
export interface ProxyEvents {
  onTunnelOpen?(host: string, port: number): void;
  onTunnelClose?(host: string, port: number, bytes: TunnelBytes, by: Visitor): void;
  /** An upgrade is over: joined until now where its status is 101, else refused by its server. */
  onUpgradeEnd?(host: string, port: number, status: number, bytes: TunnelBytes, by: Visitor): void;
  /** Something was refused at the door, before it became an exchange. */
  onRefused?(code: FaultCode, message: string, client: string): void;
  onClientTlsError?(host: string, fault: ClientTlsFault, client: string): void;
  /** The handler of an exchange threw, or came back without an answer. */
  onHandlerFault?(error: unknown, requestId: string): void;
  /** A host is opened for the first time since the start. */
  onFirstIntercept?(host: string, port: number, why: string): void;
}

/** An answer in origin form from the proxy's own port. */
export interface OriginAnswer {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Uint8Array | string;
}

/** What a tunnel asks for. `passedVia` is the `Via` of the client's CONNECT. */
export interface TunnelTarget {
  readonly host: string;
  readonly port: number;
  readonly signal: AbortSignal;
  readonly passedVia: string | undefined;
}

/** Opens a connection for a blind tunnel, both of whose sides can end alone. */
export type DialTunnel = (target: TunnelTarget) => Promise<Socket>;

/** What the door needs from the rest of the proxy. */
export interface DoorOptions {
  readonly allowClients: Ranges;
  /** Asks for a user and a password; undefined where nobody has to give one. */
  readonly proxyAuth?: ProxyAuth | undefined;
  readonly limits: DoorLimits;
  readonly policy: HostPolicy;
  readonly probe: RegistryProbe;
  readonly guard: EgressGuard;
  readonly leaves: { contextFor(host: string): SecureContext; holds(host: string): boolean };
  /** Answers one exchange. What it throws becomes a 500, or a broken connection once the head is sent. */
  readonly handler: (exchange: Exchange) => Promise<void>;
  /** Opens a connection to an upstream, with TLS where the scheme asks for it, for upgrades. */
  readonly dialUpstream: (target: Target) => Promise<Socket>;
  /** Opens a connection for a tunnel; straight to the host where it is absent. */
  readonly dialTunnel?: DialTunnel;
  /** What this installation calls itself in `Via`: a CONNECT that has it has been here before. */
  readonly viaId?: string;
  /** Answers requests to the proxy itself, such as `GET /ca.crt`; undefined for an unknown path. */
  readonly origin?: (path: string) => OriginAnswer | undefined;
  readonly events?: ProxyEvents;
  /** How long connecting to an upstream may take for a tunnel. */
  readonly dialTimeoutMs?: number;
  readonly handshakeTimeoutMs?: number;
  /** How long a client may pause inside a request body. */
  readonly bodyIdleTimeoutMs?: number;
  /** How long nothing may pass through a tunnel or an upgraded connection. */
  readonly tunnelIdleTimeoutMs?: number;
  /** How long a server may take to answer an upgrade. */
  readonly upgradeAnswerTimeoutMs?: number;
}
