import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import { headerValue } from '../http/headers.js';
import { createTokenBuckets } from '../net/token-buckets.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';

export interface RetryOptions {
  /** The shortest pause before a second try; the longest is three times that, by chance, so that many do not come back together. */
  readonly pauseMs?: number;
  /** Told of each second try. */
  readonly onRetry?: (host: string) => void;
}

const PAUSE_MS = 100;

/** For each host. What has many faults is not helped by twice the requests: beyond this the first answer is the answer. */
const BUDGET = { burst: 10, perSecond: 1 };

const REPEATABLE = new Set(['GET', 'HEAD']);

/** Faults of servers and what stands before them, which are often gone a moment later. */
const PASSING = new Set([500, 502, 503, 504]);

/** Quick faults. What has timed out has cost the client its patience already. */
const PASSING_FAULTS = new Set(['upstream-connect', 'upstream-dns']);

/**
 * Sends a GET or HEAD a second time where the first could not connect or got 500, 502, 503 or 504: before any byte has
 * gone to a client, because nobody has seen the answer yet. Never a request with a body, never one that is told when
 * to come back (Retry-After), never a third time.
 */
export function withRetries(client: UpstreamClient, options: RetryOptions = {}): UpstreamClient {
  const budget = createTokenBuckets(BUDGET);
  const pauseMs = options.pauseMs ?? PAUSE_MS;

  function mayRepeat(request: UpstreamRequest): boolean {
    if (!REPEATABLE.has(request.method) || request.body !== undefined || request.signal?.aborted) return false;
    return budget.take(request.target.host);
  }

  async function again(request: UpstreamRequest): Promise<UpstreamResponse> {
    options.onRetry?.(request.target.host);
    const { signal } = request;
    await delay(pauseMs + randomInt(2 * pauseMs + 1), undefined, signal && { signal }).catch(() => {
      throw new ProxyError('client-gone', 'the client went away');
    });
    return client.send(request);
  }

  return {
    async send(request) {
      let answer: UpstreamResponse;
      try {
        answer = await client.send(request);
      } catch (error) {
        const passes = error instanceof ProxyError && PASSING_FAULTS.has(error.code);
        if (passes && mayRepeat(request)) return again(request);
        throw error;
      }
      const passes = PASSING.has(answer.status) && headerValue(answer.headers, 'retry-after') === undefined;
      if (!passes || !mayRepeat(request)) return answer;
      answer.discard();
      return again(request);
    },
    close: () => client.close(),
  };
}
