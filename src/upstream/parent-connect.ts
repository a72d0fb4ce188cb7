import type { Socket } from 'node:net';
import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import { formatAuthority } from '../net/authority.js';
import { dial } from '../net/dial.js';
import type { EgressGuard } from '../net/egress-guard.js';
import { formatParent, type ParentAddress } from '../net/parent-address.js';
import { upstreamFailure } from './failure.js';
import { parseResponseHead, type ResponseHead } from './response-head.js';
import { tlsOver } from './tls-over.js';
import type { Trust } from './trust.js';

export interface ParentTimeouts {
  /** Resolving the parent's name and TCP together. */
  readonly dialMs: number;
  readonly tlsMs: number;
  /** From CONNECT to its answer: the parent has to reach the upstream in that time. */
  readonly answerMs: number;
}

export interface ParentConnectOptions {
  /** Lets everything pass but this proxy's own ports: whoever runs it has named the parent. */
  readonly guard: EgressGuard;
  readonly trust: Trust;
  readonly timeouts: ParentTimeouts;
  /** What stands in `Proxy-Authorization`; undefined where the parent wants none. */
  readonly authorization: string | undefined;
  /** What stands in `Via`, so that a ring of proxies is noticed. */
  readonly via: string;
  readonly signal?: AbortSignal | undefined;
  readonly allowHalfOpen?: boolean | undefined;
}

/** A parent that works and has said no to a CONNECT. */
export class ParentRefusal extends Error {
  override readonly name = 'ParentRefusal';
  readonly status: number;

  constructor(status: number) {
    super(`the parent proxy answered ${status}`);
    this.status = status;
  }
}

/**
 * A parent that took the connection and gave no proper answer to a CONNECT. It may be the fault of what was asked for,
 * which whoever asked has chosen: many proxies wait for long, or just close, where the upstream cannot be reached.
 */
export class ParentSilence extends ProxyError {}

const MAX_ANSWER_BYTES = 16 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Opens a connection to `target` through a parent, by CONNECT (RFC 9110 section 9.3.6). Rejects with a ParentRefusal
 * where the parent says no, and with a ProxyError where it cannot be reached or makes no sense.
 */
export async function connectThrough(
  parent: ParentAddress,
  target: Target,
  options: ParentConnectOptions,
): Promise<Socket> {
  const socket = await reachParent(parent, options);
  const name = formatParent(parent);
  const place = formatAuthority(target.host, target.port);
  const lines = [`CONNECT ${place} HTTP/1.1`, `Host: ${place}`, `Via: ${options.via}`];
  if (options.authorization !== undefined) lines.push(`Proxy-Authorization: ${options.authorization}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const { status } = await readAnswer(socket, name, options).catch((error: unknown) => {
    throw error instanceof ProxyError ? new ParentSilence(error.code, error.message, { cause: error }) : error;
  });
  if (status >= 200 && status < 300) return socket;
  socket.destroy();
  throw new ParentRefusal(status);
}

/** Dials the parent, with TLS where it is spoken to by that. */
async function reachParent(parent: ParentAddress, options: ParentConnectOptions): Promise<Socket> {
  const { host, port } = parent;
  const { guard, trust, timeouts, signal, allowHalfOpen = false } = options;
  const raw = await dial({ host, port, guard, timeoutMs: timeouts.dialMs, allowHalfOpen, ...(signal && { signal }) });
  if (parent.scheme === 'http') return raw;
  return tlsOver(raw, { host, port, trust, timeoutMs: timeouts.tlsMs });
}

/** Reads the head of the answer to a CONNECT; what came behind it stays to be read. */
function readAnswer(socket: Socket, name: string, options: ParentConnectOptions): Promise<ResponseHead> {
  const { timeouts, signal } = options;
  return new Promise((resolve, reject) => {
    let bytes: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => {
      fail(new ProxyError('upstream-timeout', `${name} did not answer within ${timeouts.answerMs / 1000} s`));
    }, timeouts.answerMs);
    const onEnd = (): void => fail(new ProxyError('upstream-truncated', `${name} closed the connection`));
    const onError = (error: Error): void => fail(upstreamFailure(error, name));
    const onAbort = (): void => fail(new ProxyError('client-gone', 'The client has gone.'));
    function settle(): void {
      clearTimeout(timer);
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd).off('error', onError);
      signal?.removeEventListener('abort', onAbort);
      // Until whoever waits has the socket in hand, an error has only this to go to.
      socket.on('error', () => socket.destroy());
    }
    function fail(fault: ProxyError): void {
      settle();
      socket.destroy();
      reject(fault);
    }
    function onReadable(): void {
      for (let piece = socket.read() as Buffer | null; piece !== null; piece = socket.read() as Buffer | null) {
        bytes = Buffer.concat([bytes, piece]);
        const end = bytes.indexOf(HEAD_END);
        if (end !== -1) return finish(end);
        if (bytes.length > MAX_ANSWER_BYTES) {
          return fail(new ProxyError('upstream-protocol', `${name} answered CONNECT with too many headers`));
        }
      }
    }
    function finish(end: number): void {
      let head: ResponseHead;
      try {
        head = parseResponseHead(bytes.toString('latin1', 0, end));
      } catch (error) {
        return fail(upstreamFailure(error, name));
      }
      settle();
      const rest = bytes.subarray(end + HEAD_END.length);
      if (rest.length > 0) socket.unshift(rest);
      resolve(head);
    }
    socket.on('readable', onReadable).on('end', onEnd).on('close', onEnd).on('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted) onAbort();
    else onReadable();
  });
}
