import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Exchange, RawHeaders, Target } from '../http/exchange.js';
import { headersFrom, headerValue, withoutHeaders } from '../http/headers.js';
import { formatAuthority } from '../net/authority.js';
import { errorBody } from '../oci/error-body.js';

/** Where clients are sent for a token while their registry or its token server is away: to this proxy, under the registry's own name. */
const TOKEN_PATH = '/.well-known/entrepot/token';

/** How long clients are told that a token is good for, seconds; it is honoured for longer. */
const LIFE_S = 300;
const HONOURED_MS = 900_000;
const MAX_FORM_BYTES = 64 * 1024;

/** One word of a scope that asks for nothing but to read a repository. */
const PULL_SCOPE = /^repository:[^:\s]+:pull$/;

/**
 * Tokens that stand for nobody. Registries that ask strangers for a token are asked for one by their clients before
 * anything else; while nobody else can give it, the proxy does, and whoever shows it counts as a stranger. It carries no
 * right: what is public can be read without it.
 */
export interface OfflineTokens {
  issue(): string;
  /** Whether a request carries such a token. */
  isShown(headers: RawHeaders): boolean;
}

export function createOfflineTokens(now: () => number = Date.now): OfflineTokens {
  const key = randomBytes(32);
  const sign = (issuedAt: string) => createHmac('sha256', key).update(issuedAt).digest('base64url');
  return {
    issue() {
      const issuedAt = now().toString(36);
      return `entrepot.${issuedAt}.${sign(issuedAt)}`;
    },
    isShown(headers) {
      const match = /^Bearer entrepot\.([0-9a-z]{1,12})\.([\w-]{43})$/i.exec(
        headerValue(headers, 'authorization') ?? '',
      );
      const [, issuedAt = '', signature = ''] = match ?? [];
      if (!match || !timingSafeEqual(Buffer.from(signature), Buffer.from(sign(issuedAt)))) return false;
      const ageMs = now() - Number.parseInt(issuedAt, 36);
      return ageMs >= 0 && ageMs < HONOURED_MS;
    },
  };
}

/** The challenge that leads a client to `TOKEN_PATH`. */
export function offlineChallenge({ scheme, host, port }: Target): string {
  const authority = formatAuthority(host, port, scheme === 'https' ? 443 : 80);
  return `Bearer realm="${scheme}://${authority}${TOKEN_PATH}",service="entrepot"`;
}

export function isTokenRequest(path: string): boolean {
  return path === TOKEN_PATH || path.startsWith(`${TOKEN_PATH}?`);
}

/**
 * Answers a request for a token: one that stands for nobody to whoever wants to pull, whatever credentials come along
 * (nobody can check them now); a refusal to who wants to push or to log in, so that no password is ever taken for right.
 */
export async function answerTokenRequest(exchange: Exchange, tokens: OfflineTokens): Promise<void> {
  const { request, reply } = exchange;
  const scopes = await scopesOf(exchange);
  if (scopes.length === 0 || !scopes.every((scope) => PULL_SCOPE.test(scope))) {
    const message = 'the token server cannot be reached, so nobody can be logged in; public images can be pulled';
    const { headers, body } = errorBody(401, message, exchange.id);
    reply.head(401, headers);
    if (request.method !== 'HEAD') await reply.write(body);
    return reply.end();
  }
  const token = tokens.issue();
  const answer = { token, access_token: token, expires_in: LIFE_S, issued_at: new Date().toISOString() };
  const body = Buffer.from(JSON.stringify(answer));
  const fields = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
  reply.head(200, headersFrom({ ...fields, 'Content-Length': String(body.length) }));
  if (request.method !== 'HEAD') await reply.write(body);
  return reply.end();
}

async function scopesOf({ request }: Exchange): Promise<string[]> {
  const query = new URL(request.path, 'https://registry').searchParams;
  const form = request.method === 'POST' ? new URLSearchParams(await textOf(request.body)) : new URLSearchParams();
  const asked = [...query.getAll('scope'), ...form.getAll('scope')];
  return asked.flatMap((scope) => scope.split(' ')).filter((scope) => scope !== '');
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > MAX_FORM_BYTES) return '';
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/** The same exchange as a stranger's: without the credential, which is one of ours. */
export function asStranger(exchange: Exchange): Exchange {
  const { id, client, user, target, reply, request } = exchange;
  const headers = withoutHeaders(request.headers, new Set(['authorization']));
  const { method, path, hasBody, body } = request;
  return {
    id,
    client,
    user,
    target,
    reply,
    request: { method, path, headers, hasBody, body },
    get signal() {
      return exchange.signal;
    },
  };
}
