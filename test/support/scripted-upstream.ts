import type { FillBody, FillRequest } from '../../src/cache/flight.js';
import { ProxyError } from '../../src/errors.js';

/** What an upstream does when it is asked for the next time. */
export interface ScriptedAnswer {
  /** What it tells as the whole length; `none` for no length, that of the content by default. */
  readonly sizeBytes?: number | 'none';
  /** Gives the whole, whatever was asked for. */
  readonly ignoresRange?: boolean;
  /** The content that it has; that of the upstream by default. */
  readonly content?: Buffer;
  /** Breaks off at this offset of the content, with an error unless `cleanly`. */
  readonly untilBytes?: number;
  readonly cleanly?: boolean;
  readonly fault?: unknown;
  /** Doesn't answer at all. */
  readonly refusal?: unknown;
  /** Runs before the answer. */
  readonly before?: () => Promise<void> | void;
}

export interface ScriptedUpstream {
  readonly open: FillRequest['open'];
  readonly resume: NonNullable<FillRequest['resume']>;
  /** From which byte it was asked each time. */
  readonly asked: readonly number[];
  readonly aborted: number;
}

const PIECE_BYTES = 10_000;

/** An upstream that goes through its script, one answer for each time that it is asked, and is well-behaved after its end. */
export function scriptUpstream(content: Buffer, script: readonly ScriptedAnswer[]): ScriptedUpstream {
  const asked: number[] = [];
  let aborted = 0;

  async function answer(_signal: AbortSignal, fromBytes: number): Promise<FillBody> {
    const how = script[asked.length] ?? {};
    asked.push(fromBytes);
    await how.before?.();
    if (how.refusal !== undefined) throw how.refusal;
    const whole = how.content ?? content;
    const startBytes = how.ignoresRange === true ? 0 : fromBytes;
    const told = how.sizeBytes ?? whole.length;
    return {
      sizeBytes: told === 'none' ? undefined : told,
      startBytes,
      async pump(sink) {
        const end = Math.min(how.untilBytes ?? whole.length, whole.length);
        for (let at = startBytes; at < end; at += PIECE_BYTES) {
          const scratch = Buffer.from(whole.subarray(at, Math.min(end, at + PIECE_BYTES)));
          const ready = sink(scratch);
          scratch.fill(0xee);
          await ready;
        }
        if (how.fault !== undefined) throw how.fault;
        if (how.untilBytes !== undefined && how.cleanly !== true) {
          throw new ProxyError('upstream-truncated', 'reset in the middle');
        }
      },
      abort() {
        aborted += 1;
      },
    };
  }

  return {
    open: answer,
    resume: answer,
    asked,
    get aborted() {
      return aborted;
    },
  };
}
