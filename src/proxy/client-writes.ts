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

/** Whoever has been written to. */
interface Destroyable {
  destroy(): unknown;
}

/** A write that is under way, as its owner hands it back at its end. */
export interface OpenWrite {
  readonly client: Destroyable;
  ticks: number;
  /** Where it stands among the others; -1 once it has ended. */
  place: number;
}

/** The writes to clients that are under way at a door: how large they are, and for how long nothing has been taken. */
export interface ClientWrites {
  /**
   * How many bytes of a body are handed to a connection at once. TLS encrypts a write whole and keeps it until the client
   * has taken it all: a client that stalls keeps that much memory.
   */
  readonly bytesAtOnce: number;
  /** A write has begun; its client is destroyed when it has not ended after five minutes. */
  begin(client: Destroyable): OpenWrite;
  /** The write has ended. Safe to call more than once. */
  end(write: OpenWrite): void;
}

/** One look at all writes each second costs less than a timer for each of them. */
export function createClientWrites(exchanges: () => number, tickMs = TICK_MS): ClientWrites {
  // A list whose last one takes the place of one that ends: a Set that has one member and then none is made anew each time.
  const open: OpenWrite[] = [];
  let resting = 0;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    if (open.length === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    for (const write of [...open]) {
      // The end of another one's client may have ended it.
      if (write.place < 0) continue;
      write.ticks += 1;
      if (write.ticks === RESTING_TICKS) resting += 1;
      if (write.ticks === STALLED_TICKS) write.client.destroy();
    }
  }

  return {
    get bytesAtOnce() {
      if (resting > CHEAP_RESTING) return LEAST_BYTES;
      const share = Math.floor(ENCRYPTED_BYTES / Math.max(1, exchanges() - resting));
      return Math.max(LEAST_BYTES, Math.min(MOST_BYTES, share - (share % LEAST_BYTES)));
    },
    begin(client) {
      const write: OpenWrite = { client, ticks: 0, place: open.length };
      open.push(write);
      timer ??= setInterval(look, tickMs).unref();
      return write;
    },
    end(write) {
      const last = open.at(-1);
      if (write.place < 0 || last === undefined) return;
      open[write.place] = last;
      last.place = write.place;
      open.pop();
      write.place = -1;
      if (write.ticks >= RESTING_TICKS) resting -= 1;
    },
  };
}
