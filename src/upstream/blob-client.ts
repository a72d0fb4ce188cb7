import { Readable } from 'node:stream';
import { ProxyError } from '../errors.js';
import { setHeader } from '../http/headers.js';
import { type Bandwidth, paced } from './bandwidth.js';
import { BlobConnection, type BodySink } from './blob-connection.js';
import { type ClientOptions, hostHeader } from './client.js';
import { connectTimeouts } from './connect.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';
import { createPlaces } from './places.js';
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
  options: ClientOptions,
  timeouts: UpstreamTimeouts = DEFAULT_TIMEOUTS,
): UpstreamClient {
  const idle = new Map<string, Idle[]>();
  const open = new Set<BlobConnection>();
  const places = createPlaces();

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
    const { host, port } = request.target;
    const most = options.limits?.connectionsTo(host, port).bulk ?? Number.POSITIVE_INFINITY;
    const leave = await places.take(origin, most, request.signal);
    try {
      return await sendFrom(origin, request, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  async function sendFrom(origin: string, request: UpstreamRequest, leave: () => void): Promise<UpstreamResponse> {
    const kept = takeIdle(origin);
    if (kept) {
      // A kept connection may have been closed at the other end since; that is no answer, so the request goes out again.
      const answer = await exchange(kept, origin, request, leave).catch((error: unknown) => {
        if (error instanceof ProxyError && error.code === 'upstream-truncated' && !request.signal?.aborted)
          return undefined;
        throw error;
      });
      if (answer) return answer;
    }
    return exchange(await connect(request), origin, request, leave);
  }

  async function exchange(
    connection: BlobConnection,
    origin: string,
    request: UpstreamRequest,
    leave: () => void,
  ): Promise<UpstreamResponse> {
    const { signal } = request;
    const shares = options.limits?.sharesOf(request.onBehalfOf ?? request.target) ?? [];
    const abort = (): void => connection.destroy();
    signal?.addEventListener('abort', abort, { once: true });
    function over(): void {
      signal?.removeEventListener('abort', abort);
      giveBack(origin, connection);
    }
    try {
      if (signal?.aborted) connection.destroy();
      const headers = setHeader(request.headers, 'Host', request.host ?? hostHeader(request.target));
      const head = await connection.request(request.path, headers);
      const finished = (): void => {
        over();
        leave();
      };
      return responseOf({ connection, head, shares, finished });
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

interface Answer {
  readonly connection: BlobConnection;
  readonly head: ResponseHead;
  /** What its body spends of. */
  readonly shares: readonly Bandwidth[];
  readonly finished: () => void;
}

function responseOf({ connection, head, shares, finished: over }: Answer): UpstreamResponse {
  let body: Readable | undefined;
  let finished = false;
  function finish(): void {
    finished = true;
    over();
  }
  const pump = (sink: BodySink): Promise<void> => connection.pump(paced(sink, shares)).finally(finish);
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
