import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { asProxyError, ProxyError } from '../errors.js';
import type { Exchange } from '../http/exchange.js';
import { createQuota } from '../net/quota.js';
import { clientAddress } from './admission.js';
import { watchRequestBody } from './body-watch.js';
import { createClientWrites } from './client-writes.js';
import type { DoorOptions, EngineEvents, OriginAnswer, Passage, Visitor } from './contract.js';
import type { Gate } from './gate.js';
import { createExchange } from './http-exchange.js';
import { refusalOf, sendRefusal, writeRefusal } from './refusal.js';
import { type CheckedRequest, checkPlainRequest, checkTunnelRequest, type RequestHead } from './request-check.js';
import type { Tunnel } from './tunnel.js';
import { passUpgrade } from './upgrade.js';
import { refusePlain } from './verdict.js';

const BODY_IDLE_TIMEOUT_MS = 30_000;
const UPGRADE_ANSWER_TIMEOUT_MS = 30_000;
const UPGRADED_IDLE_TIMEOUT_MS = 15 * 60_000;

const HOW_TO_USE = 'This is a proxy: set HTTPS_PROXY to its address. It answers by itself only GET /ca.crt.';

/** Answers everything but CONNECT: makes exchanges of requests, passes upgrades, and refuses what is malformed. */
export interface RequestDoor {
  readonly handlers: Pick<EngineEvents, 'request' | 'expectation' | 'upgrade' | 'clientError'>;
  /** Upgraded connections that are open. */
  readonly tunnels: number;
  /** Ends the upgraded connections through which nothing has passed for `idleMs`. */
  closeIdleTunnels(idleMs: number): void;
}

export function createRequestDoor(
  options: DoorOptions,
  gate: Gate,
  isClosing: () => boolean,
  newId: () => string,
): RequestDoor {
  const events = options.events ?? {};
  const tunnels = new Set<Tunnel>();
  const exchanges = createQuota(options.limits.exchanges);
  const writes = createClientWrites(() => exchanges.used);

  function refused(error: unknown, client: string, id: string) {
    const fault = asProxyError(error);
    events.onRefused?.(fault.code, fault.message, client);
    return refusalOf(error, id);
  }

  /** Answers a request on the proxy's own port. What the proxy says of itself is for everybody, password or not. */
  async function answerOwnPort(request: IncomingMessage, response: ServerResponse, client: string): Promise<void> {
    gate.admit(client, request.socket);
    const checked = checkPlainRequest(headOf(request));
    if (checked === undefined) return answerOrigin(request, response, options.origin?.(request.url ?? ''));
    const user = await gate.authenticate(client, request.socket, request.rawHeaders);
    const { host, port } = checked.target;
    const refusal = refusePlain({ host, port }, options.policy);
    if (refusal !== undefined) throw new ProxyError('denied', refusal.message);
    if (!response.destroyed) exchange(request, response, checked, { client, user });
  }

  function exchange(request: IncomingMessage, response: ServerResponse, checked: CheckedRequest, by: Visitor): void {
    const onClose = takePlace(by.client);
    const id = newId();
    if (checked.hasBody) {
      watchRequestBody(request, options.bodyIdleTimeoutMs ?? BODY_IDLE_TIMEOUT_MS, () => {
        const fault = new ProxyError('client-stalled', 'The request body stopped coming.');
        const refusal = refused(fault, by.client, id);
        if (response.headersSent) request.socket.destroy();
        else sendRefusal(request, response, refusal);
      });
    }
    const made = createExchange(request, response, {
      id,
      client: by.client,
      user: by.user,
      checked,
      closing: isClosing,
      writes,
      onClose,
    });
    answer(made, response).catch((error: unknown) => {
      events.onHandlerFault?.(error, id);
      sendRefusal(request, response, refusalOf(error, id));
    });
  }

  const handlers: RequestDoor['handlers'] = {
    request: (request, response, passage) => {
      const client = passage?.client ?? clientAddress(request.socket);
      const answered = passage ? answerInside(request, response, passage) : answerOwnPort(request, response, client);
      answered.catch((error: unknown) => sendRefusal(request, response, refused(error, client, newId())));
    },

    expectation: (request, response) => {
      const message = 'The only expectation that can be met is 100-continue.';
      sendRefusal(request, response, { status: 417, message, requestId: newId() });
    },

    upgrade: (request, socket, head, passage) => {
      socket.on('error', () => socket.destroy());
      upgrade(request, socket as Socket, head, passage).catch((error: unknown) => {
        writeRefusal(socket, refused(error, passage.client, newId()));
      });
    },

    clientError: (error, socket, answering) => {
      const status = statusOf(error.code ?? '');
      // In the middle of an answer, a second one would pass for its body.
      if (answering || status === undefined) {
        socket.destroy();
        return;
      }
      const message = status === 408 ? 'The request did not come in time.' : 'This is not a well-formed HTTP request.';
      writeRefusal(socket, { status, message, requestId: newId() });
    },
  };

  return {
    handlers,
    get tunnels() {
      return tunnels.size;
    },
    closeIdleTunnels: (idleMs) => {
      for (const tunnel of tunnels) if (tunnel.idleMs >= idleMs) tunnel.destroy();
    },
  };

  async function answerInside(request: IncomingMessage, response: ServerResponse, passage: Passage): Promise<void> {
    exchange(request, response, checkTunnelRequest(headOf(request), passage.target), passage);
  }

  async function answer(made: Exchange, response: ServerResponse): Promise<void> {
    await options.handler(made);
    // A broken connection is an answer too: the client left, or must not take a part for the whole.
    const answered = response.writableEnded || response.destroyed;
    if (!answered) throw new ProxyError('internal', 'The exchange ended without an answer.');
  }

  async function upgrade(request: IncomingMessage, socket: Socket, rest: Buffer, passage: Passage): Promise<void> {
    const { target, path, hasBody } = checkTunnelRequest(headOf(request), passage.target);
    if (hasBody) throw new ProxyError('bad-request', 'A request to upgrade has no body.');
    const over = takePlace(passage.client);
    let joined: Tunnel | undefined;
    try {
      const { status, bytes } = await passUpgrade(request, socket, {
        target,
        path,
        rest,
        dialUpstream: options.dialUpstream,
        answerTimeoutMs: options.upgradeAnswerTimeoutMs ?? UPGRADE_ANSWER_TIMEOUT_MS,
        idleTimeoutMs: options.tunnelIdleTimeoutMs ?? UPGRADED_IDLE_TIMEOUT_MS,
        onJoined: (tunnel) => {
          joined = tunnel;
          tunnels.add(tunnel);
        },
      });
      events.onUpgradeEnd?.(target.host, target.port, status, bytes, passage);
    } finally {
      if (joined) tunnels.delete(joined);
      over();
    }
  }

  /** @throws ProxyError `overloaded` */
  function takePlace(client: string): () => void {
    const over = exchanges.take(client);
    if (over === undefined) throw new ProxyError('overloaded', 'Too many requests are being answered.');
    return over;
  }
}

function answerOrigin(request: IncomingMessage, response: ServerResponse, answer: OriginAnswer | undefined): void {
  if (answer === undefined) throw new ProxyError('bad-request', HOW_TO_USE);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    throw new ProxyError('method-refused', `${request.method} is not answered here.`);
  }
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, [...answer.headers, 'Content-Length', String(body.length)]);
  response.end(body);
}

function headOf(request: IncomingMessage): RequestHead {
  const { method = '', url = '', httpVersion, rawHeaders } = request;
  return { method, url, httpVersion, rawHeaders };
}

/** What to answer to an error of the HTTP parser; undefined where there is nobody to answer. */
function statusOf(code: string): number | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408;
  if (code === 'HPE_HEADER_OVERFLOW') return 431;
  return code.startsWith('HPE_') ? 400 : undefined;
}
