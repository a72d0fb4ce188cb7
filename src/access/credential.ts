import { createHmac, randomBytes } from 'node:crypto';
import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValues } from '../http/headers.js';

/**
 * Headers that are no credential for any registry. Everything else counts as part of one, known or not (threats W6):
 * by whole names, since a prefix would take in what somebody's gateway lets clients in by, such as X-Forwarded-User.
 */
const HARMLESS: ReadonlySet<string> = new Set([
  // What is wanted, and on which condition (RFC 9110 sections 12.5, 13.1 and 14.2).
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'range',
  // What the request brings with it (RFC 9110 section 8).
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  // The way there; the connection's own never go upstream.
  'connection',
  'host',
  'proxy-authorization',
  'proxy-connection',
  'via',
  // Who made it, and which trace it belongs to.
  'b3',
  'baggage',
  'docker-distribution-api-version',
  'referer',
  'traceparent',
  'tracestate',
  'user-agent',
  'x-meta-source-client',
  'x-request-id',
]);

/** Who is asking, as far as a registry could tell: what it gets to see of a client besides the request itself. */
export interface Credential {
  /** HMAC of the whole view under a key that dies with this process, so that it tells nothing and is never stored. */
  readonly id: string;
  /** True where the client showed nothing by which a registry could know it. */
  readonly anonymous: boolean;
}

/** The headers that could be a credential, in an order that does not depend on the client. */
function credentialView(headers: RawHeaders): string {
  const lines: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (!HARMLESS.has(name)) lines.push(`${name}:${headers[i + 1]}`);
  }
  return lines.sort().join('\n');
}

/** A token is a quarter of it. What is longer is not kept with its connection, of which there may be thousands. */
const MAX_KEPT_LENGTH = 4096;

/** Tells credentials apart, and keeps none for longer than the connection that showed it. */
export interface CredentialReader {
  /**
   * Throws `bad-request` where Authorization stands twice: two parties could read it differently (threats D02).
   * `connection` stands for that of the client; where it shows the same as before, it is spared the HMAC.
   */
  read(headers: RawHeaders, connection?: object): Credential;
}

export function createCredentialReader(): CredentialReader {
  const key = randomBytes(32);
  /** What each connection showed last. It goes with the connection, and no other one is ever compared with it. */
  const shown = new WeakMap<object, { readonly view: string; readonly credential: Credential }>();
  return {
    read(headers, connection) {
      if (headerValues(headers, 'authorization').length > 1) {
        throw new ProxyError('bad-request', 'the request carries more than one Authorization header; send one');
      }
      const view = credentialView(headers);
      const last = connection && shown.get(connection);
      if (last?.view === view) return last.credential;
      const credential = { id: createHmac('sha256', key).update(view).digest('base64url'), anonymous: view === '' };
      if (connection && view.length <= MAX_KEPT_LENGTH) shown.set(connection, { view, credential });
      return credential;
    },
  };
}
