/** A value to write, or `undefined` to delete. Wrapped, so that "deleted" and "nothing known" stay apart. */
export interface PendingWrite {
  readonly value: unknown;
}

/** Gathers writes to keys while an earlier batch is under way, and keeps them in order. */
export interface WriteBehind {
  /** Resolves when the batch with this write has been applied; rejects with what `apply` rejected with. */
  write(key: string, value: unknown): Promise<void>;
  /** A write that has not been applied yet. */
  pending(key: string): PendingWrite | undefined;
  idle(): Promise<void>;
  /** Resolves when all that was written before has been applied, or was refused. */
  applied(): Promise<void>;
}

/** More writes at once would hold the event loop while they are made into text, and the disk in one transaction. */
const MOST_AT_ONCE = 500;

/**
 * `apply` gets each batch, at most one write per key and one batch at a time: concurrent statements of one SQLite
 * connection may otherwise overtake each other in the thread pool. What gathers meanwhile goes in parts of 500; one that
 * is refused does not keep the others from being tried.
 */
export function createWriteBehind(apply: (batch: ReadonlyMap<string, unknown>) => Promise<void>): WriteBehind {
  let gathering = new Map<string, unknown>();
  let applying: ReadonlyMap<string, unknown> = new Map();
  let current: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function applyGathered(before: Promise<void>): Promise<void> {
    await before.catch(() => {});
    applying = gathering;
    gathering = new Map();
    next = undefined;
    try {
      await applyInParts(applying);
    } finally {
      applying = new Map();
    }
  }

  async function applyInParts(batch: ReadonlyMap<string, unknown>): Promise<void> {
    let refused: { readonly reason: unknown } | undefined;
    for (const part of partsOf(batch)) {
      await apply(part).catch((reason: unknown) => {
        refused ??= { reason };
      });
    }
    if (refused !== undefined) throw refused.reason;
  }

  function write(key: string, value: unknown): Promise<void> {
    gathering.set(key, value);
    if (next === undefined) {
      next = applyGathered(current);
      current = next;
    }
    return next;
  }

  function pending(key: string): PendingWrite | undefined {
    if (gathering.has(key)) return { value: gathering.get(key) };
    return applying.has(key) ? { value: applying.get(key) } : undefined;
  }

  async function idle(): Promise<void> {
    while (gathering.size > 0 || applying.size > 0) await current.catch(() => {});
    await current.catch(() => {});
  }

  async function applied(): Promise<void> {
    await current.catch(() => {});
  }

  return { write, pending, idle, applied };
}

function* partsOf(batch: ReadonlyMap<string, unknown>): Generator<ReadonlyMap<string, unknown>> {
  let part = new Map<string, unknown>();
  for (const [key, value] of batch) {
    part.set(key, value);
    if (part.size < MOST_AT_ONCE) continue;
    yield part;
    part = new Map();
  }
  if (part.size > 0) yield part;
}
