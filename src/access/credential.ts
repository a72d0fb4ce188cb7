import { createHmac, randomBytes } from 'node:crypto';
import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValues } from '../http/headers.js';

/** Headers that cannot be a credential. Everything else counts as part of one, known or not (threats W6). */
const HARMLESS = new Set([
  'b3',
  'baggage',
  'connection',
  'docker-distribution-api-version',
  'host',
  'range',
  'referer',
  'traceparent',
  'tracestate',
  'user-agent',
  'via',
  'x-request-id',
]);

const HARMLESS_PREFIXES = ['accept', 'content-', 'if-', 'proxy-', 'x-forwarded-', 'x-meta-'];

/** Who is asking, as far as a registry could tell: what it gets to see of a client besides the request itself. */
export interface Credential {
  /** HMAC of the whole view under a key that dies with this process, so that it tells nothing and is never stored. */
  readonly id: string;
  /** True where the client showed nothing by which a registry could know it. */
  readonly anonymous: boolean;
}

function isHarmless(name: string): boolean {
  return HARMLESS.has(name) || HARMLESS_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** The headers that could be a credential, in an order that does not depend on the client. */
function credentialView(headers: RawHeaders): string {
  const lines: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (!isHarmless(name)) lines.push(`${name}:${headers[i + 1]}`);
  }
  return lines.sort().join('\n');
}

/** Tells credentials apart without keeping them. */
export interface CredentialReader {
  /** Throws `bad-request` where Authorization stands twice: two parties could read it differently (threats D02). */
  read(headers: RawHeaders): Credential;
}

export function createCredentialReader(): CredentialReader {
  const key = randomBytes(32);
  return {
    read(headers) {
      if (headerValues(headers, 'authorization').length > 1) {
        throw new ProxyError('bad-request', 'the request carries more than one Authorization header; send one');
      }
      const view = credentialView(headers);
      return { id: createHmac('sha256', key).update(view).digest('base64url'), anonymous: view === '' };
    },
  };
}
