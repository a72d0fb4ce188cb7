import { randomInt } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import type { FillBody } from './flight-contract.js';
import type { ResumeLimits } from './flight-limits.js';
import { ResumeFault } from './resume-fault.js';

/** A download as it is received, from one connection after the other. */
export interface Download {
  /** The whole length, as soon as any answer has told it. */
  readonly sizeBytes: number | undefined;
  readonly receivedBytes: number;
  /** Aborted when the download has ended otherwise. */
  readonly signal: AbortSignal;
  /** Whether there is anybody to ask with. */
  readonly canResume: boolean;
  /** Asks again for the body, from `fromBytes` on. */
  reopen(fromBytes: number): Promise<FillBody>;
  /** This is where bytes come from now. */
  accept(body: FillBody): void;
  receive(bytes: Uint8Array): void | Promise<void>;
  /** Whether what was received has the digest, for a body whose length nobody has told. */
  matches(): boolean;
}

/** The second answer of another length is the last: one of them speaks of other content. */
const MAX_LENGTH_CHANGES = 1;

/**
 * Receives a body to its end. Where the upstream breaks off, it is asked again for the rest, a bounded number of times
 * without progress; what it sends again is skipped. An answer that speaks of another length is not used: the whole is
 * asked for once more, and then it is over. Rejects with the fault that could not be helped. The digest of what was
 * received is the caller's to check, but where no length is known it decides whether this was the end at all.
 */
export async function receiveWhole(first: FillBody, download: Download, limits: ResumeLimits): Promise<void> {
  const patience = createPatience(download, limits);
  let body: FillBody | undefined = first;
  let changes = 0;
  let endedAtBytes: number | undefined;
  for (;;) {
    try {
      body ??= await download.reopen(changes > 0 ? 0 : download.receivedBytes);
      download.signal.throwIfAborted();
      if (hasOtherLength(body, download)) {
        changes += 1;
        throw otherLength(body, download, changes > MAX_LENGTH_CHANGES);
      }
      download.accept(body);
      await pumpFrom(body, download);
      const { sizeBytes, receivedBytes } = download;
      if (sizeBytes === receivedBytes) return;
      if (sizeBytes === undefined) {
        // Where no length is known, a cut cannot be told from the end, but the digest can. No more to be had: it is the end.
        if (endedAtBytes === receivedBytes || !download.canResume || download.matches()) return;
        endedAtBytes = receivedBytes;
      }
      throw truncated(download);
    } catch (error) {
      body?.abort();
      body = undefined;
      await patience.afterFault(error);
    }
  }
}

/** Pumps a body into the download, without what the download has already. */
async function pumpFrom(body: FillBody, download: Download): Promise<void> {
  let known = download.receivedBytes - (body.startBytes ?? 0);
  if (known < 0) throw new ProxyError('upstream-protocol', 'the upstream left bytes out');
  await body.pump((bytes) => {
    if (known === 0) return download.receive(bytes);
    const skipped = Math.min(known, bytes.length);
    known -= skipped;
    return skipped === bytes.length ? undefined : download.receive(bytes.subarray(skipped));
  });
}

function hasOtherLength(body: FillBody, { sizeBytes, receivedBytes }: Download): boolean {
  if (body.sizeBytes === undefined) return false;
  return sizeBytes === undefined ? body.sizeBytes < receivedBytes : body.sizeBytes !== sizeBytes;
}

/** `upstream-protocol` where it is final. */
function otherLength(body: FillBody, { sizeBytes, receivedBytes }: Download, final: boolean): ProxyError {
  const message = `the upstream now speaks of ${body.sizeBytes} bytes and not of ${sizeBytes ?? receivedBytes}`;
  return final ? new FinalFault(message) : new ProxyError('upstream-truncated', message);
}

/** What no further try can help against. */
class FinalFault extends ProxyError {
  constructor(message: string) {
    super('upstream-protocol', message);
  }
}

function truncated({ receivedBytes, sizeBytes }: Download): ProxyError {
  const of = sizeBytes === undefined ? '' : ` of ${sizeBytes}`;
  return new ProxyError('upstream-truncated', `${receivedBytes}${of} bytes came from the upstream`);
}

/** Waits between tries, ever longer, and rethrows the fault when it is no use to go on. */
function createPatience(download: Download, limits: ResumeLimits) {
  let attempts = 0;
  let markBytes = 0;
  let stuckSince = 0;

  return {
    async afterFault(fault: unknown): Promise<void> {
      if (download.signal.aborted || !download.canResume || !mayPass(fault)) throw fault;
      if (attempts === 0 || download.receivedBytes - markBytes >= limits.resumeProgressBytes) {
        attempts = 0;
        markBytes = download.receivedBytes;
        stuckSince = performance.now();
      }
      attempts += 1;
      const waitMs = Math.max(backoffMs(attempts, limits), fault instanceof ResumeFault ? fault.retryAfterMs : 0);
      const stuckMs = performance.now() - stuckSince;
      if (attempts > limits.resumeAttempts || stuckMs + waitMs > limits.resumeGiveUpMs) throw fault;
      await delay(waitMs, undefined, { signal: download.signal });
    },
  };
}

/** The first try comes at once; of each later wait, half is left to chance, so that many downloads don't come back together. */
function backoffMs(attempt: number, { resumeDelayMs }: ResumeLimits): number {
  if (attempt === 1) return 0;
  return resumeDelayMs * 2 ** (attempt - 2) * (0.5 + randomInt(1_000) / 2_000);
}

/** Whether the fault is one that another connection may not have: the upstream's, and not its refusal of everybody. */
function mayPass(fault: unknown): fault is ProxyError {
  if (!(fault instanceof ProxyError) || fault instanceof FinalFault || fault.code === 'digest-mismatch') return false;
  return fault.source === 'upstream' && !(fault instanceof ResumeFault && fault.isRefusal);
}
