import { type Breaker, createBreaker } from '../net/circuit-breaker.js';

export interface EndpointWatchOptions {
  /** Asks the endpoint on a fresh connection; resolves to whether it gave an answer that makes sense, within `timeoutMs`. */
  ask(timeoutMs: number): Promise<boolean>;
  /** The endpoint went away, or came back after `awayMs`. */
  onChange(isAway: boolean, awayMs: number): void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
  readonly every?: Partial<WatchTimes>;
}

export interface WatchTimes {
  /** Between two questions while it is away, milliseconds. */
  readonly awayMs: number;
  /** Before the second question, which has to go well too before it counts as back. */
  readonly againMs: number;
  /** As long as nobody has wanted anything for `unwantedAfterMs`, it is asked this seldom. */
  readonly unwantedMs: number;
  readonly unwantedAfterMs: number;
  /** The least that a question may take; where the endpoint is known to be far away, it is more. */
  readonly answerMs: number;
  /** The most. */
  readonly longAnswerMs: number;
}

/** Back to live within 10 s of a recovery: a question that was lost (4 s), a pause, one that is answered, another. */
const TIMES: WatchTimes = {
  awayMs: 3000,
  againMs: 1000,
  unwantedMs: 60_000,
  unwantedAfterMs: 600_000,
  answerMs: 1300,
  longAnswerMs: 4000,
};

/** A verdict that is older than this is none: the next request is to find out. */
const VERDICT_MS = 10_000;

/** Whether one address of an upstream answers: a circuit breaker whose tries are questions of our own. */
export interface EndpointWatch {
  readonly isAway: boolean;
  /** How long it has been away, milliseconds; 0 where it is not. */
  readonly awayMs: number;
  /** How long a request may go without an answer before it is worth asking whether anybody is there, milliseconds. */
  readonly patienceMs: number;
  /** Asks now. Equal questions at the same time are one. Never rejects. */
  check(): Promise<boolean>;
  /** Somebody got an answer from it. */
  answered(): void;
  /** Whether it has answered, whomever, within so many milliseconds. */
  answeredWithin(ms: number): boolean;
  /** Some client's request depends on it: it is asked more often while it is away. */
  wanted(): void;
  close(): void;
}

export function createEndpointWatch(options: EndpointWatchOptions): EndpointWatch {
  const now = options.now ?? (() => performance.now());
  const times = { ...TIMES, ...options.every };
  const breaker: Breaker = createBreaker({ failures: 1, openMs: times.awayMs, successes: 2, now });
  let awaySince: number | undefined;
  let judgedAt = Number.NEGATIVE_INFINITY;
  let answeredAt = Number.NEGATIVE_INFINITY;
  let wantedAt = now();
  /** How long the last answer on a fresh connection took. */
  let tookMs = 0;
  let running: Promise<boolean> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  function judge(good: boolean): void {
    judgedAt = now();
    if (good) {
      answeredAt = judgedAt;
      breaker.success();
    } else breaker.failure();
    const isAway = breaker.state !== 'closed';
    if (isAway === (awaySince !== undefined)) return;
    const ms = awaySince === undefined ? 0 : judgedAt - awaySince;
    awaySince = isAway ? judgedAt : undefined;
    options.onChange(isAway, ms);
  }

  function schedule(good: boolean): void {
    clearTimeout(timer);
    if (closed || awaySince === undefined) return;
    const isWanted = now() - wantedAt < times.unwantedAfterMs;
    const pauseMs = good ? times.againMs : isWanted ? times.awayMs : times.unwantedMs;
    timer = setTimeout(() => void check(times.longAnswerMs), pauseMs).unref();
  }

  async function ask(timeoutMs: number): Promise<boolean> {
    const startedAt = now();
    const good = await options.ask(timeoutMs).catch(() => false);
    if (closed) return good;
    if (good) tookMs = now() - startedAt;
    judge(good);
    schedule(good);
    return good;
  }

  function check(timeoutMs: number): Promise<boolean> {
    if (closed) return Promise.resolve(true);
    running ??= ask(timeoutMs).finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    get isAway() {
      return awaySince !== undefined && now() - judgedAt < VERDICT_MS;
    },
    get awayMs() {
      return awaySince === undefined ? 0 : now() - awaySince;
    },
    get patienceMs() {
      return Math.min(Math.max(times.answerMs / 2, tookMs), times.longAnswerMs);
    },
    check: () => check(Math.min(Math.max(times.answerMs, 2 * tookMs), times.longAnswerMs)),
    answered() {
      answeredAt = now();
      // While it is away, one good answer is no recovery, but it is a start.
      if (awaySince !== undefined) judge(true);
    },
    answeredWithin: (ms) => now() - answeredAt < ms,
    wanted() {
      wantedAt = now();
    },
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
