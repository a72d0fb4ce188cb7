import type { FillBody } from '../cache/flight.js';
import { ResumeFault } from '../cache/resume-fault.js';
import { ProxyError } from '../errors.js';
import { headerValue, setHeader } from '../http/headers.js';
import { retryAfterMs } from '../http/retry-after.js';
import type { Digest } from '../oci/digest.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from '../upstream/contract.js';
import { sendFollowing } from '../upstream/redirects.js';
import { announcedLength } from './ask-upstream.js';
import { wholeContentHeaders } from './outgoing.js';
import { piecesOf } from './relay.js';
import type { Visit } from './visit.js';

/** The registry answered a fill with something that is no body to keep. It is the leader's answer and nobody else's. */
export class FillRefused extends Error {
  override readonly name = 'FillRefused';
  readonly response: UpstreamResponse;

  constructor(response: UpstreamResponse) {
    super('the registry did not deliver');
    this.response = response;
  }
}

/** What came of asking for a blob. */
interface Answer {
  readonly response: UpstreamResponse;
  /** Undefined where the response is no body of the content, or not of the part that was asked for. */
  readonly body: FillBody | undefined;
  /** Whether it is the registry itself that speaks, and not where it sent us. */
  readonly isRegistry: boolean;
}

/** A body comes in 65,000 pieces a GiB, and to count each one takes longer than to pass it on. */
const COUNTED_BYTES = 1024 * 1024;

/** Refusals of a credential, or of an address that was signed for a while. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403]);

/** What a registry says to a credential that may not, or not any more, read this. */
const GONE: ReadonlySet<number> = new Set([401, 403, 404, 410]);

/**
 * Asks for a blob in the client's name, from `fromBytes` on where that much of it is kept from before. Rejects with
 * FillRefused, whose answer is the client's, or with a ProxyError. Where a signed address is refused, the registry is
 * asked for another one once (threats H09).
 */
export async function openFill(visit: Visit, digest: Digest, signal: AbortSignal, fromBytes = 0): Promise<FillBody> {
  const { context, scope, credential } = visit;
  let answer = await ask(visit, signal, fromBytes);
  if (!answer.isRegistry && REFUSALS.has(answer.response.status)) {
    answer.response.discard();
    answer = await ask(visit, signal, fromBytes);
  }
  const { status } = answer.response;
  await context.access.observe({ scope, credential, digest, status, refusalCounts: true });
  if (answer.body) {
    if ((answer.body.startBytes ?? 0) > 0) noteResume(visit, digest, answer.body);
    return answer.body;
  }
  if (status !== 206 && status !== 416) throw new FillRefused(answer.response);
  answer.response.discard();
  throw new ProxyError(
    'upstream-protocol',
    `${visit.exchange.target.host} answered a request for the whole with a part`,
  );
}

/**
 * Asks for the rest of a blob in the client's name, beginning with the registry, since a signed address may have
 * expired. Rejects with a ResumeFault where the answer is no body: a refusal where the registry itself said no to this
 * client, whose grants then end.
 */
export async function resumeFill(
  visit: Visit,
  digest: Digest,
  signal: AbortSignal,
  fromBytes: number,
): Promise<FillBody> {
  const { context, scope, credential, exchange } = visit;
  const { response, body, isRegistry } = await ask(visit, signal, fromBytes);
  if (body) {
    noteResume(visit, digest, body);
    return body;
  }
  const { status, headers } = response;
  response.discard();
  const isRefusal = isRegistry && GONE.has(status);
  if (isRefusal) await context.access.observe({ scope, credential, digest, status, refusalCounts: true });
  throw new ResumeFault(`${exchange.target.host} broke off and would not go on (${status})`, {
    isRefusal,
    retryAfterMs: retryAfterMs(headers, Date.now()) ?? 0,
  });
}

function noteResume({ context, route, trace }: Visit, digest: Digest, body: FillBody): void {
  const { registry } = trace;
  context.metrics.resumed(registry);
  const fields = { registry, repository: route.repository, digest, bytes: body.startBytes };
  context.logger.info(fields, 'A download that broke off goes on');
}

/** A part that cannot be used is as good as none: the whole is asked for then. */
async function ask(visit: Visit, signal: AbortSignal, fromBytes: number): Promise<Answer> {
  const answer = await untilHead(signal, (headSignal) => send(visit, headSignal, fromBytes));
  const isOddPart = answer.response.status === 206 || answer.response.status === 416;
  if (answer.body || !isOddPart || fromBytes === 0) return answer;
  answer.response.discard();
  return untilHead(signal, (headSignal) => send(visit, headSignal, 0));
}

async function send(visit: Visit, signal: AbortSignal, fromBytes: number): Promise<Answer> {
  const { context, exchange } = visit;
  const { target } = exchange;
  const whole = wholeContentHeaders(exchange.request.headers, context.viaId);
  const headers = fromBytes > 0 ? setHeader(whole, 'Range', `bytes=${fromBytes}-`) : whole;
  let last: UpstreamRequest['target'] = target;
  const client: Pick<UpstreamClient, 'send' | 'close'> = {
    send(request) {
      last = request.target;
      return visit.blobs.send(request);
    },
    close: () => visit.blobs.close(),
  };
  const response = await sendFollowing(client, { target, method: 'GET', path: exchange.request.path, headers, signal });
  const isRegistry = last.host === target.host && last.port === target.port && last.scheme === target.scheme;
  return { response, body: bodyOf(visit, response, fromBytes), isRegistry };
}

/**
 * Sends under a signal that counts for the head only. A refused fill aborts its signal at once, but the refusal's body
 * is still to go to the leader; a body that is kept has an abort of its own.
 */
async function untilHead(signal: AbortSignal, task: (headSignal: AbortSignal) => Promise<Answer>): Promise<Answer> {
  const waiting = new AbortController();
  const giveUp = () => waiting.abort(signal.reason);
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    return await task(waiting.signal);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** An encoded body is not the content that the digest is of; it is passed on, and not stored. */
export function isEncoded(response: Pick<UpstreamResponse, 'headers'>): boolean {
  const encoding = headerValue(response.headers, 'content-encoding');
  return encoding !== undefined && encoding.trim().toLowerCase() !== 'identity';
}

function bodyOf(visit: Visit, response: UpstreamResponse, fromBytes: number): FillBody | undefined {
  if (isEncoded(response)) return undefined;
  if (response.status === 200) return fillBody(visit, response, 0, announcedLength(response));
  if (fromBytes === 0) return undefined;
  const range = headerValue(response.headers, 'content-range') ?? '';
  if (response.status === 206) {
    const { start, size } = /^bytes (?<start>\d{1,15})-\d{1,15}\/(?<size>\d{1,15}|\*)$/.exec(range)?.groups ?? {};
    if (Number(start) !== fromBytes) return undefined;
    return fillBody(visit, response, fromBytes, size === '*' ? undefined : Number(size));
  }
  // Nothing is missing: all the content was here when the connection broke.
  const isWhole = response.status === 416 && range === `bytes */${fromBytes}`;
  return isWhole ? emptyBody(response, fromBytes) : undefined;
}

function emptyBody(response: UpstreamResponse, sizeBytes: number): FillBody {
  const discard = (): void => response.discard();
  return {
    sizeBytes,
    startBytes: sizeBytes,
    pump: async () => discard(),
    abort: discard,
  };
}

function fillBody(
  visit: Visit,
  response: UpstreamResponse,
  startBytes: number,
  sizeBytes: number | undefined,
): FillBody {
  const { context, exchange, trace } = visit;
  const { host } = exchange.target;
  return {
    sizeBytes,
    startBytes,
    async pump(sink) {
      let uncounted = 0;
      const count = (): void => {
        context.metrics.upstreamBytes(trace.registry, uncounted);
        uncounted = 0;
      };
      const counted = (bytes: Uint8Array): void | Promise<void> => {
        uncounted += bytes.length;
        if (uncounted >= COUNTED_BYTES) count();
        return sink(bytes);
      };
      try {
        if (response.pump) return await response.pump(counted);
        for await (const piece of piecesOf(response, host)) {
          const pause = counted(piece);
          if (pause) await pause;
        }
      } finally {
        count();
      }
    },
    abort: () => response.discard(),
  };
}
