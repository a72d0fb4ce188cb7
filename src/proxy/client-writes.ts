const MIB = 1024 * 1024;

/** What is encrypted and waits for clients to take it, for all of them together, but for those that rest. */
const ENCRYPTED_BYTES = 16 * MIB;
/** Larger writes save no more CPU, and fall out of the processor's caches between one copy and the next. */
const MOST_BYTES = 256 * 1024;
/** Smaller ones cost much more of it. */
const LEAST_BYTES = 64 * 1024;
/** So many resting clients are no burden; what more of them could hold has to be little. */
const CHEAP_RESTING = 256;

const TICK_MS = 1_000;
/** A client that has taken nothing for so many ticks rests: it gets no share of what moves. */
const RESTING_TICKS = 2;
/** A client that takes nothing for so long is gone, whatever TCP says; one that unpacks a layer may pause for a while. */
const STALLED_TICKS = 300;

interface Write {
  ticks: number;
  readonly onStalled: () => void;
}

/** The writes to clients that are under way at a door: how large they are, and for how long nothing has been taken. */
export interface ClientWrites {
  /**
   * How many bytes of a body are handed to a connection at once. TLS encrypts a write whole and keeps it until the client
   * has taken it all: a client that stalls keeps that much memory.
   */
  readonly bytesAtOnce: number;
  /** A write has begun; `onStalled` is called when it has not ended after five minutes. Gives the function that ends it. */
  begin(onStalled: () => void): () => void;
}

/** One look at all writes each second costs less than a timer for each of them. */
export function createClientWrites(exchanges: () => number, tickMs = TICK_MS): ClientWrites {
  const open = new Set<Write>();
  let resting = 0;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    if (open.size === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    for (const write of open) {
      write.ticks += 1;
      if (write.ticks === RESTING_TICKS) resting += 1;
      if (write.ticks === STALLED_TICKS) write.onStalled();
    }
  }

  return {
    get bytesAtOnce() {
      if (resting > CHEAP_RESTING) return LEAST_BYTES;
      const share = Math.floor(ENCRYPTED_BYTES / Math.max(1, exchanges() - resting));
      return Math.max(LEAST_BYTES, Math.min(MOST_BYTES, share - (share % LEAST_BYTES)));
    },
    begin(onStalled) {
      const write: Write = { ticks: 0, onStalled };
      open.add(write);
      timer ??= setInterval(look, tickMs).unref();
      return () => {
        if (open.delete(write) && write.ticks >= RESTING_TICKS) resting -= 1;
      };
    },
  };
}
