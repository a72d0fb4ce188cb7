import type { Readable } from 'node:stream';

/** Header names and values as they stood on the wire: name, value, name, value. Order and case are kept. */
export type RawHeaders = readonly string[];

/** The upstream that an exchange is for. The host is canonical: lower case, no trailing dot, IPv6 without brackets. */
export interface Target {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

export interface ExchangeRequest {
  readonly method: string;
  /** Path and query in origin form, byte for byte as the client sent it. */
  readonly path: string;
  readonly headers: RawHeaders;
  /** The request's body; ends at once where there is none. */
  readonly body: Readable;
  /** True where the head announces a body (Content-Length above 0, or Transfer-Encoding). */
  readonly hasBody: boolean;
}

/** The answer to one exchange. Whoever holds it sends one head, then writes, then either ends or destroys. */
export interface Reply {
  readonly headSent: boolean;
  /** Body bytes handed to the connection so far. */
  readonly sentBytes: number;
  /** The status that was sent, 0 before the head. */
  readonly status: number;
  /** Sends the status line and headers (hop-by-hop headers are the connection's own affair and are dropped). */
  head(status: number, headers: RawHeaders): void;
  /**
   * Sends body bytes. Resolves when the bytes have left this process, so that the buffer may be used again: this is
   * the only backpressure there is. Rejects with `client-gone` when the connection is closed.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the answer cleanly. Rejects with `client-gone` when the connection is closed. */
  end(): Promise<void>;
  /** `head`, `write` and `end` in one, for a whole body that is in memory; what they reject with, this does. */
  send(status: number, headers: RawHeaders, body: Uint8Array): Promise<void>;
  /** Breaks the connection, so that no client can take a short body for a whole one. */
  destroy(): void;
}

/** One request and its answer, whatever door it came through. */
export interface Exchange {
  /** Unique within the process; stands in the log line, in error bodies and nowhere else. */
  readonly id: string;
  /** The client's socket address, without port. */
  readonly client: string;
  /** The name that the client proved to this proxy by a password; undefined where none was asked for. */
  readonly user?: string | undefined;
  readonly target: Target;
  /** Stands for the client's connection, so that what is worked out of it once can go with it; absent where there is none. */
  readonly connection?: object;
  readonly request: ExchangeRequest;
  readonly reply: Reply;
  /** Aborted when the client goes away before the answer has ended. */
  readonly signal: AbortSignal;
}
