import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asProxyError, ProxyError } from '../errors.js';
import type { Exchange } from '../http/exchange.js';
import { admitClient, clientAddress } from './admission.js';
import { watchRequestBody } from './body-watch.js';
import type { DoorOptions, EngineEvents, OriginAnswer, Passage } from './contract.js';
import { createExchange } from './http-exchange.js';
import { refusalOf, sendRefusal, writeRefusal } from './refusal.js';
import { type CheckedRequest, checkPlainRequest, checkTunnelRequest, type RequestHead } from './request-check.js';
import { passUpgrade, upgradeHead } from './upgrade.js';
import { refusePlain } from './verdict.js';

const BODY_IDLE_TIMEOUT_MS = 30_000;

const HOW_TO_USE =
  'This is a proxy: set HTTPS_PROXY to its address. It answers by itself only GET /ca.crt and GET /setup/<client>.';

/** Answers everything but CONNECT: makes exchanges of requests, passes upgrades, and refuses what is malformed. */
export function createRequestDoor(
  options: DoorOptions,
  isClosing: () => boolean,
  newId: () => string,
): Pick<EngineEvents, 'request' | 'expectation' | 'upgrade' | 'clientError'> {
  const events = options.events ?? {};

  function refused(error: unknown, client: string, id: string) {
    const fault = asProxyError(error);
    events.onRefused?.(fault.code, fault.message, client);
    return refusalOf(error, id);
  }

  /** What a request on the proxy's own port asks for; undefined where it has been answered. */
  function checkOwnPort(
    request: IncomingMessage,
    response: ServerResponse,
    client: string,
  ): CheckedRequest | undefined {
    admitClient(client, options.allowClients);
    const checked = checkPlainRequest(headOf(request));
    if (checked === undefined) {
      answerOrigin(request, response, options.origin?.(request.url ?? ''));
      return undefined;
    }
    const { host, port } = checked.target;
    const refusal = refusePlain({ host, port }, options.policy);
    if (refusal !== undefined) throw new ProxyError('denied', refusal.message);
    return checked;
  }

  function exchange(request: IncomingMessage, response: ServerResponse, checked: CheckedRequest, client: string): void {
    const id = newId();
    if (checked.hasBody) {
      watchRequestBody(request, options.bodyIdleTimeoutMs ?? BODY_IDLE_TIMEOUT_MS, () => {
        const fault = new ProxyError('client-stalled', 'The request body stopped coming.');
        const refusal = refused(fault, client, id);
        if (response.headersSent) request.socket.destroy();
        else sendRefusal(request, response, refusal);
      });
    }
    const made = createExchange(request, response, { id, client, checked, closing: isClosing });
    answer(made, response).catch((error: unknown) => {
      events.onHandlerFault?.(error, id);
      sendRefusal(request, response, refusalOf(error, id));
    });
  }

  return {
    request: (request, response, passage) => {
      const client = passage?.client ?? clientAddress(request.socket);
      try {
        const checked =
          passage === undefined
            ? checkOwnPort(request, response, client)
            : checkTunnelRequest(headOf(request), passage.target);
        if (checked !== undefined) exchange(request, response, checked, client);
      } catch (error) {
        sendRefusal(request, response, refused(error, client, newId()));
      }
    },

    expectation: (request, response) => {
      const message = 'The only expectation that can be met is 100-continue.';
      sendRefusal(request, response, { status: 417, message, requestId: newId() });
    },

    upgrade: (request, socket, head, passage) => {
      socket.on('error', () => socket.destroy());
      upgrade(request, socket, head, passage).catch((error: unknown) => {
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

  async function answer(made: Exchange, response: ServerResponse): Promise<void> {
    await options.handler(made);
    if (!response.writableEnded) throw new ProxyError('internal', 'The exchange ended without an answer.');
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, passage: Passage): Promise<void> {
    const { target, path } = checkTunnelRequest(headOf(request), passage.target);
    const { dialUpstream } = options;
    await passUpgrade(socket, { target, requestHead: upgradeHead(request, path), rest: head, dialUpstream });
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
