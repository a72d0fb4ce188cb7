import { createHash } from 'node:crypto';
import type { FillBody, FillOpener } from '../../src/cache/flight.js';
import { type Digest, digestOf } from '../../src/oci/digest.js';

/** Bytes that are different at every place and the same at every run. */
export function sampleBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function sha256Of(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));
}

/** An upstream body that gives what the test tells it to, when the test tells it to. */
export interface FakeUpstream {
  readonly open: FillOpener;
  /** How often it was opened. */
  readonly opens: number;
  readonly aborted: boolean;
  /** Resolves when the flight pumps. */
  readonly pumping: Promise<void>;
  /** Gives one piece; resolves when the flight takes more. The piece's memory is overwritten after the call. */
  give(bytes: Uint8Array): Promise<void>;
  /** Gives a whole body in pieces. */
  giveAll(bytes: Uint8Array, pieceBytes?: number): Promise<void>;
  end(): void;
  fail(error: unknown): void;
}

/** Makes an upstream that announces `sizeBytes`. */
export function createFakeUpstream(sizeBytes: number | undefined): FakeUpstream {
  let opens = 0;
  let aborted = false;
  let sink: ((bytes: Uint8Array) => void | Promise<void>) | undefined;
  let onPumping!: () => void;
  let settle: { resolve(): void; reject(error: unknown): void } | undefined;
  const pumping = new Promise<void>((resolve) => (onPumping = resolve));

  const body: FillBody = {
    sizeBytes,
    pump(into) {
      sink = into;
      return new Promise((resolve, reject) => {
        settle = { resolve, reject };
        onPumping();
      });
    },
    abort() {
      aborted = true;
    },
  };

  async function give(bytes: Uint8Array): Promise<void> {
    await pumping;
    const scratch = Buffer.from(bytes);
    const ready = sink?.(scratch);
    scratch.fill(0xee);
    await ready;
  }

  return {
    open: async () => {
      opens += 1;
      return body;
    },
    get opens() {
      return opens;
    },
    get aborted() {
      return aborted;
    },
    pumping,
    give,
    async giveAll(bytes, pieceBytes = 16 * 1024) {
      for (let at = 0; at < bytes.length; at += pieceBytes) await give(bytes.subarray(at, at + pieceBytes));
    },
    end: () => void pumping.then(() => settle?.resolve()),
    fail: (fault) => void pumping.then(() => settle?.reject(fault)),
  };
}
