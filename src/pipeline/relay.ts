import { type CacheStatus, withCacheStatus } from '../http/cache-status.js';
import type { RawHeaders, Reply } from '../http/exchange.js';
import { stripHopByHop, withoutHeaders } from '../http/headers.js';
import type { UpstreamResponse } from '../upstream/contract.js';
import { upstreamFailure } from '../upstream/failure.js';

/** Alt-Svc would send clients past us with HTTP/3 (threats G15). */
const NOT_RELAYED = new Set(['alt-svc']);

/** An upstream's headers as they go to the client. */
export function relayedHeaders(headers: RawHeaders, status: CacheStatus | undefined): RawHeaders {
  const kept = withoutHeaders(stripHopByHop(headers), NOT_RELAYED);
  return status ? withCacheStatus(kept, status) : kept;
}

export interface RelayOptions {
  readonly host: string;
  readonly status: CacheStatus | undefined;
  /** Told of each piece of the body, for the metrics. */
  onBytes(bytes: number): void;
}

/** Passes an upstream's answer on as it is: status, headers and body, at the pace of the client, storing nothing. */
export async function relay(response: UpstreamResponse, reply: Reply, options: RelayOptions): Promise<void> {
  try {
    reply.head(response.status, relayedHeaders(response.headers, options.status));
    for await (const piece of piecesOf(response, options.host)) {
      options.onBytes(piece.length);
      await reply.write(piece);
    }
  } catch (error) {
    response.discard();
    throw error;
  }
  await reply.end();
}

/** The pieces of an upstream's body; what goes wrong with it becomes a fault that names the host. */
export async function* piecesOf(response: UpstreamResponse, host: string): AsyncGenerator<Buffer> {
  try {
    for await (const piece of response.body as AsyncIterable<Buffer>) yield piece;
  } catch (error) {
    throw upstreamFailure(error, host);
  }
}
