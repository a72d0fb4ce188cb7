import type { Piece } from '../http/body.js';

/** The largest buffer that a pool lends. */
export const WHOLE_BYTES = 1024 * 1024;
const QUARTER_BYTES = WHOLE_BYTES / 4;
const OVERFLOW_BYTES = 64 * 1024;

/** Memory for bodies on their way to clients, bounded for the whole process. */
export interface BufferPool {
  /**
   * Lends a buffer at once, never waiting: 1 MiB where more than 256 KiB are wanted and at most a third of the pool is
   * out, else 256 KiB, and 64 KiB from outside the pool when it is exhausted. The buffer may be smaller or larger than
   * what is wanted, and holds anything. A second `release` of the same piece does nothing.
   */
  take(wantBytes: number): Piece;
  /** Lends 1 MiB for a chunk that is arriving; undefined where three quarters of the pool are out, which are left to clients. */
  takeChunk(): Piece | undefined;
  /** Bytes of the pool that are lent out now. */
  readonly outBytes: number;
}

interface Slab {
  readonly whole: Uint8Array;
  readonly quarters: readonly Uint8Array[];
  readonly free: Uint8Array[];
}

/** Makes a pool of `totalBytes` (a multiple of 1 MiB; the rest is not used). Memory is taken when first needed and then kept. */
export function createBufferPool(totalBytes: number = 48 * WHOLE_BYTES): BufferPool {
  const limit = Math.floor(totalBytes / WHOLE_BYTES);
  const idle: Slab[] = [];
  const split = new Set<Slab>();
  let made = 0;
  let outBytes = 0;

  function wholeSlab(): Slab | undefined {
    const slab = idle.pop();
    if (slab !== undefined || made === limit) return slab;
    made += 1;
    const whole = new Uint8Array(new ArrayBuffer(WHOLE_BYTES));
    const quarters = [0, 1, 2, 3].map((n) => whole.subarray(n * QUARTER_BYTES, (n + 1) * QUARTER_BYTES));
    return { whole, quarters, free: [] };
  }

  function takeWhole(): Piece | undefined {
    const slab = wholeSlab();
    if (slab === undefined) return undefined;
    outBytes += WHOLE_BYTES;
    return lend(slab.whole, () => {
      outBytes -= WHOLE_BYTES;
      idle.push(slab);
    });
  }

  function takeQuarter(): Piece | undefined {
    let slab: Slab | undefined = split.values().next().value;
    if (slab === undefined) {
      slab = wholeSlab();
      if (slab === undefined) return undefined;
      slab.free.push(...slab.quarters);
      split.add(slab);
    }
    const owner = slab;
    const bytes = owner.free.pop() as Uint8Array;
    if (owner.free.length === 0) split.delete(owner);
    outBytes += QUARTER_BYTES;
    return lend(bytes, () => {
      outBytes -= QUARTER_BYTES;
      owner.free.push(bytes);
      if (owner.free.length < owner.quarters.length) {
        split.add(owner);
        return;
      }
      split.delete(owner);
      owner.free.length = 0;
      idle.push(owner);
    });
  }

  function take(wantBytes: number): Piece {
    const roomy = outBytes * 3 <= limit * WHOLE_BYTES;
    const large = wantBytes > QUARTER_BYTES && roomy ? takeWhole() : undefined;
    return large ?? takeQuarter() ?? lend(new Uint8Array(OVERFLOW_BYTES), () => {});
  }

  return {
    take,
    takeChunk: () => (outBytes * 4 <= limit * WHOLE_BYTES * 3 ? takeWhole() : undefined),
    get outBytes() {
      return outBytes;
    },
  };
}

/** Guards against a second release, which would hand one buffer to two bodies at once. */
function lend(bytes: Uint8Array, giveBack: () => void): Piece {
  let lent = true;
  return {
    bytes,
    release() {
      if (!lent) return;
      lent = false;
      giveBack();
    },
  };
}
