import type { RawHeaders } from '../http/exchange.js';

/** An answer that the proxy makes itself. */
export interface ErrorAnswer {
  readonly headers: RawHeaders;
  readonly body: Buffer;
}

/** Codes of the distribution spec, and of its reference implementation where the spec has none. */
const CODES: Readonly<Record<number, string>> = {
  400: 'UNSUPPORTED',
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'NAME_UNKNOWN',
  405: 'UNSUPPORTED',
  407: 'UNAUTHORIZED',
  408: 'UNAVAILABLE',
  416: 'RANGE_INVALID',
  421: 'UNSUPPORTED',
  429: 'TOOMANYREQUESTS',
  431: 'UNSUPPORTED',
  500: 'UNKNOWN',
};

/** When to come back where there was too much to do (RFC 9110 section 10.2.3). */
const RETRY_AFTER_S = '5';

const MAX_MESSAGE_LENGTH = 2048;

/**
 * Headers and body of an error in the form that every registry client prints. `message` is for people and must hold
 * no credential and no signed URL; `code` overrides the one that follows from the status.
 * @see https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes
 */
export function errorBody(status: number, message: string, requestId: string, code?: string): ErrorAnswer {
  const error = {
    code: code ?? CODES[status] ?? 'UNAVAILABLE',
    message: message.slice(0, MAX_MESSAGE_LENGTH),
    detail: { requestId },
  };
  const body = Buffer.from(`${JSON.stringify({ errors: [error] })}\n`);
  const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)];
  return { headers: status === 503 ? [...headers, 'Retry-After', RETRY_AFTER_S] : headers, body };
}
