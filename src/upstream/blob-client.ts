import { Readable } from 'node:stream';
import { ProxyError } from '../errors.js';
import { setHeader } from '../http/headers.js';
import { BlobConnection, type BodySink } from './blob-connection.js';
import { hostHeader } from './client.js';
import { type ConnectOptions, connectTimeouts } from './connect.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';
import type { ResponseHead } from './response-head.js';
import { DEFAULT_TIMEOUTS, DISCARD_BYTES, DISCARD_MS, type UpstreamTimeouts } from './timeouts.js';

/** Connections that wait for the next blob; more of them are closed. */
const MAX_IDLE_PER_ORIGIN = 8;
const IDLE_MS = 10_000;

interface Idle {
  readonly connection: BlobConnection;
  readonly timer: NodeJS.Timeout;
}

/** A client for GETs whose bodies are large: it speaks just enough HTTP/1.1, and hands out bytes without copying them. */
export function createBlobClient(
  options: Omit<ConnectOptions, 'timeoutMs' | 'tlsMs'>,
  timeouts: UpstreamTimeouts = DEFAULT_TIMEOUTS,
): UpstreamClient {
  const idle = new Map<string, Idle[]>();
  const open = new Set<BlobConnection>();

  function takeIdle(origin: string): BlobConnection | undefined {
    for (let found = idle.get(origin)?.pop(); found; found = idle.get(origin)?.pop()) {
      clearTimeout(found.timer);
      if (found.connection.isIdle) return found.connection;
      open.delete(found.connection);
    }
    idle.delete(origin);
    return undefined;
  }

  function giveBack(origin: string, connection: BlobConnection): void {
    const waiting = idle.get(origin) ?? [];
    if (!connection.isIdle || waiting.length >= MAX_IDLE_PER_ORIGIN) {
      connection.destroy();
      open.delete(connection);
      return;
    }
    const timer = setTimeout(() => {
      idle.set(
        origin,
        (idle.get(origin) ?? []).filter((other) => other.connection !== connection),
      );
      if (idle.get(origin)?.length === 0) idle.delete(origin);
      connection.destroy();
      open.delete(connection);
    }, IDLE_MS).unref();
    idle.set(origin, [...waiting, { connection, timer }]);
  }

  async function connect(request: UpstreamRequest): Promise<BlobConnection> {
    const connection = await BlobConnection.open(
      request.target,
      { ...options, ...connectTimeouts(timeouts) },
      timeouts,
    );
    open.add(connection);
    return connection;
  }

  async function send(request: UpstreamRequest): Promise<UpstreamResponse> {
    if (request.method !== 'GET') throw new ProxyError('internal', 'the client for blobs sends GETs only');
    request.signal?.throwIfAborted();
    const origin = `${request.target.scheme} ${request.target.host} ${request.target.port}`;
    const kept = takeIdle(origin);
    if (kept) {
      // A kept connection may have been closed at the other end since; that is no answer, so the request goes out again.
      const answer = await exchange(kept, origin, request).catch((error: unknown) => {
        if (error instanceof ProxyError && error.code === 'upstream-truncated' && !request.signal?.aborted)
          return undefined;
        throw error;
      });
      if (answer) return answer;
    }
    return exchange(await connect(request), origin, request);
  }

  async function exchange(
    connection: BlobConnection,
    origin: string,
    request: UpstreamRequest,
  ): Promise<UpstreamResponse> {
    const { signal } = request;
    const abort = (): void => connection.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    function over(): void {
      signal?.removeEventListener('abort', abort);
      giveBack(origin, connection);
    }
    try {
      if (signal?.aborted) connection.destroy();
      const headers = setHeader(request.headers, 'Host', request.host ?? hostHeader(request.target));
      return responseOf(connection, await connection.request(request.path, headers), over);
    } catch (error) {
      over();
      throw error;
    }
  }

  return {
    send,
    async close() {
      for (const { timer } of [...idle.values()].flat()) clearTimeout(timer);
      idle.clear();
      for (const connection of open) connection.destroy();
      open.clear();
    },
  };
}

function responseOf(connection: BlobConnection, head: ResponseHead, over: () => void): UpstreamResponse {
  let body: Readable | undefined;
  let finished = false;
  function finish(): void {
    finished = true;
    over();
  }
  const pump = (sink: BodySink): Promise<void> => connection.pump(sink).finally(finish);
  function abort(): void {
    // After the body's end the connection may serve somebody else already.
    if (finished) return;
    connection.destroy();
    finish();
  }
  function discard(): void {
    const short = head.framing.kind === 'length' && head.framing.bytes <= DISCARD_BYTES;
    if (body || !short) abort();
    else if (!finished) {
      const timer = setTimeout(abort, DISCARD_MS).unref();
      pump(() => {})
        .catch(() => {})
        .finally(() => clearTimeout(timer));
    }
  }
  return {
    status: head.status,
    headers: head.headers,
    pump,
    get body() {
      body ??= readableOf(pump, abort);
      return body;
    },
    discard,
  };
}

/** A stream of the body, for those who want one. The bytes are copied, because a stream keeps them longer than the pump does. */
function readableOf(pump: (sink: BodySink) => Promise<void>, abort: () => void): Readable {
  let wanted: (() => void) | undefined;
  let started = false;
  const stream = new Readable({
    read() {
      wanted?.();
      wanted = undefined;
      if (started) return;
      started = true;
      pump((bytes) => {
        if (stream.push(Buffer.from(bytes))) return undefined;
        return new Promise((resolve) => {
          wanted = resolve;
        });
      }).then(
        () => void stream.push(null),
        (error: Error) => stream.destroy(error),
      );
    },
    destroy(error, callback) {
      wanted?.();
      abort();
      callback(error);
    },
  });
  return stream;
}
