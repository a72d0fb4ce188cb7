import { Readable } from 'node:stream';
import type { RawHeaders, Target } from '../http/exchange.js';
import { headersFrom, headerValue } from '../http/headers.js';
import { retryAfterMs } from '../http/retry-after.js';
import { putNewest } from '../net/put-newest.js';
import { canonicalRegistry } from '../registries/aliases.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';

/** Where a registry says how long, this much of it is believed before it is asked once more (threats H05). */
const MAX_HOLD_MS = 60_000;
/** Where it does not say. */
const DEFAULT_HOLD_MS = 5_000;
const MAX_WAIT_MS = 86_400_000;
/** Between two tries of one credential once the hold is over. */
const TRY_EVERY_MS = 1_000;
const MAX_HELD = 10_000;
/** Under this share of the limit a registry's word is worth a log line. */
const LOW_SHARE = 0.2;

/** What a registry says about how many pulls are left, as Docker Hub does. */
export interface RateLimit {
  readonly registry: string;
  readonly remaining: number;
  /** Undefined where the registry does not say. */
  readonly limit: number | undefined;
  /** Whether it has just come down to a fifth, or to nothing. */
  readonly became: 'low' | 'empty' | undefined;
}

interface Held {
  /** When the registry is to be asked again, by its own words; monotonic milliseconds. */
  readonly until: number;
  /** Up to when that is believed. */
  nextTryAt: number;
}

export interface RateLimitsOptions {
  onLimit(limit: RateLimit): void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/**
 * Who was told by which registry to come back later. A registry that has said 429 to a credential is not asked for the
 * same again before that time: its answer is given again, with what is left of the time. A limit on pulls (GETs of
 * manifests) leaves everything else alone.
 */
export interface RateLimits {
  /** The client as this credential uses it. */
  limited(client: UpstreamClient, credential: string): UpstreamClient;
}

export function createRateLimits(options: RateLimitsOptions): RateLimits {
  const now = options.now ?? (() => performance.now());
  const held = new Map<string, Held>();
  const levels = new Map<string, 'low' | 'empty'>();

  function hold(key: string, headers: RawHeaders): void {
    const at = now();
    const waitMs = Math.min(retryAfterMs(headers, Date.now()) ?? DEFAULT_HOLD_MS, MAX_WAIT_MS);
    putNewest(held, key, { until: at + waitMs, nextTryAt: at + Math.min(waitMs, MAX_HOLD_MS) }, MAX_HELD);
  }

  /** What is left of the time, milliseconds; 0 where the registry may be asked. */
  function leftMs(key: string): number {
    const found = held.get(key);
    if (!found) return 0;
    const at = now();
    if (at < found.nextTryAt) return Math.max(found.until - at, found.nextTryAt - at);
    found.nextTryAt = at + TRY_EVERY_MS;
    return 0;
  }

  function note(registry: string, credential: string, headers: RawHeaders): void {
    const remaining = countOf(headerValue(headers, 'ratelimit-remaining'));
    if (remaining === undefined) return;
    const limit = countOf(headerValue(headers, 'ratelimit-limit'));
    const key = `${registry} ${credential}`;
    const level = remaining === 0 ? 'empty' : limit && remaining <= limit * LOW_SHARE ? 'low' : undefined;
    const before = levels.get(key);
    const became = level === before || (level === 'low' && before === 'empty') ? undefined : level;
    if (level) putNewest(levels, key, level, MAX_HELD);
    else levels.delete(key);
    options.onLimit({ registry, remaining, limit, became });
  }

  return {
    limited: (client, credential) => ({
      async send(request) {
        const registry = nameOf(request.target);
        const { onBehalfOf } = request;
        // Where a registry sends us to holds nobody back who was sent there by another one, or goes there by itself.
        const sender = onBehalfOf === undefined ? registry : nameOf(onBehalfOf);
        const place = sender === registry ? registry : `${sender} to ${registry}`;
        const whole = `${place} ${credential}`;
        const key = isPull(request) ? `${whole} pull` : whole;
        const waitMs = Math.max(leftMs(whole), isPull(request) ? leftMs(key) : 0);
        if (waitMs > 0) return tooMany(waitMs);
        const response = await client.send(request);
        if (response.status === 429) hold(key, response.headers);
        else held.delete(key);
        if (sender === registry && request.path.includes('/manifests/')) note(registry, credential, response.headers);
        return response;
      },
      close: () => client.close(),
    }),
  };
}

function nameOf({ host, port, scheme }: Target): string {
  return canonicalRegistry(host, port, scheme);
}

/** A GET of a manifest is what registries count as a pull. */
function isPull(request: UpstreamRequest): boolean {
  return request.method === 'GET' && request.path.includes('/manifests/');
}

/** `76;w=21600` is 76. */
function countOf(text: string | undefined): number | undefined {
  const digits = /^\s*(\d{1,12})\s*(?:;|$)/.exec(text ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function tooMany(waitMs: number): UpstreamResponse {
  const message = 'the registry has asked this client to wait; the proxy did not ask it again';
  const body = Buffer.from(`${JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message, detail: null }] })}\n`);
  const headers = headersFrom({
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    'Retry-After': String(Math.ceil(waitMs / 1000)),
  });
  const readable = Readable.from([body]);
  return { status: 429, headers, body: readable, discard: () => readable.destroy() };
}
