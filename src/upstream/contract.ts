import type { Readable } from 'node:stream';
import type { RawHeaders, Target } from '../http/exchange.js';

export interface UpstreamRequest {
  readonly target: Target;
  readonly method: string;
  readonly path: string;
  readonly headers: RawHeaders;
  /** What stands in `Host`, where it is not the target: a request in absolute form names another. */
  readonly host?: string;
  /** The registry whose answer led here, for a hop of a redirect and for a token server. */
  readonly onBehalfOf?: Target;
  readonly body?: Readable;
  readonly signal?: AbortSignal;
}

/** An answer whose body has not been read yet. Read it, or call `discard`: nothing else frees the connection. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: RawHeaders;
  readonly body: Readable;
  /**
   * Gives the body to `sink` until its clean end, at less cost than `body`; the bytes are valid only during the call,
   * and a promise pauses the upstream. Only where the client has such a way. Use this or `body`, not both.
   */
  readonly pump?: (sink: (bytes: Uint8Array) => void | Promise<void>) => Promise<void>;
  /** Throws the rest of the body away, closing the connection where that is cheaper than reading. */
  discard(): void;
}

/** Sends one request to a registry or where it pointed us. Rejects with a ProxyError of source `upstream`, or `egress-refused`. */
export interface UpstreamClient {
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  close(): Promise<void>;
}
