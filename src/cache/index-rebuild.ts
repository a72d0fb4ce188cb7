import { performance } from 'node:perf_hooks';
import { ProxyError } from '../errors.js';
import type { FactKind, Index, StoreEvents } from './contract.js';
import type { FactRecord } from './facts-lines.js';
import type { FactsLog } from './facts-log.js';
import { type ReplayOptions, replayFacts } from './facts-replay.js';
import type { FaultBoard } from './fault-board.js';
import { storeFault } from './file-system.js';

/**
 * What is read again of the log after an unclean stop: an index loses its last transactions with the power, the log does
 * not lose that a fact was taken back. SQLite brings its rows to the disk every 4 MiB of pages, which is far less of
 * lines.
 */
const LAST_LINES_BYTES = 1024 * 1024;

const TELL_EVERY_MS = 10_000;

export interface IndexRebuildOptions {
  readonly factsFile: string;
  readonly log: Pick<FactsLog, 'settled'>;
  readonly index: Index;
  readonly faults: FaultBoard;
  readonly events: StoreEvents;
}

export type AdoptContent = (onShare: (share: number) => void) => Promise<number | undefined>;

/** Gives the index what files and log tell. */
export interface IndexRebuild {
  /** How much of the work under way is done, from 0 to 1; undefined where there is none. */
  readonly share: number | undefined;
  /** Hears of every fact that is written, before the index does: older lines must not replace it. */
  noteWrite(kind: FactKind, key: string): void;
  /** Gives the index the last lines of the log. Never rejects. */
  catchUp(): Promise<void>;
  /**
   * Fills the index: first with facts, then by `adoptContent`, which gives every content file its row and says how many
   * there are, or nothing where it was ended early. `onFacts` hears when all facts are there. A filling that is under
   * way is given up, as the index has been begun anew since. Never rejects.
   */
  fill(adoptContent: AdoptContent, onFacts?: () => void): Promise<void>;
  /** Ends what is under way at its next step. */
  stop(): void;
}

export function createIndexRebuild(options: IndexRebuildOptions): IndexRebuild {
  const { factsFile, log, index, faults, events } = options;
  /** Facts that were written since the filling began. */
  let written: Set<string> | undefined;
  let share: number | undefined;
  let toldAt = 0;
  /** Counts fillings; only the last one goes on. */
  let latest = 0;

  async function replay(mine: number, more: Partial<ReplayOptions>): Promise<number | undefined> {
    const stopped = (): boolean => mine !== latest;
    const take = async (facts: readonly FactRecord[]): Promise<void> => {
      if (stopped()) return;
      const older = facts.filter(({ kind, key }) => written?.has(`${kind}:${key}`) !== true);
      await Promise.all(older.map(write));
    };
    try {
      const { facts, badLines, whole } = await replayFacts(factsFile, { take, stopped, takenBack: true, ...more });
      if (badLines > 0) events.fault(new ProxyError('store', `${badLines} damaged lines of facts.log were left out`));
      return whole ? facts : undefined;
    } catch (error) {
      faults.report('facts', storeFault('read facts.log', error));
      return 0;
    }
  }

  function write({ kind, key, value }: FactRecord): Promise<void> {
    return value === undefined ? index.delete(kind, key) : index.set(kind, key, value);
  }

  async function fill(mine: number, adoptContent: AdoptContent, onFacts?: () => void): Promise<void> {
    const endBytes = await log.settled();
    const facts = await replay(mine, { endBytes, onShare: (done) => tell(mine, done / 2) });
    if (mine !== latest) return;
    written = undefined;
    onFacts?.();
    const entries = await adoptContent((done) => tell(mine, 0.5 + done / 2));
    if (entries === undefined || mine !== latest) return;
    await index.markRebuilt();
    // The index of a new folder is missing, too.
    if (entries > 0 || (facts ?? 0) > 0) events.rebuilt(entries, facts ?? 0);
  }

  function tell(mine: number, done: number): void {
    if (mine !== latest) return;
    share = done;
    const now = performance.now();
    if (now - toldAt < TELL_EVERY_MS) return;
    toldAt = now;
    events.rebuilding?.(done);
  }

  return {
    get share() {
      return share;
    },
    noteWrite: (kind, key) => void written?.add(`${kind}:${key}`),
    async catchUp() {
      const startBytes = Math.max(0, (await log.settled()) - LAST_LINES_BYTES);
      await replay(latest, { startBytes });
    },
    async fill(adoptContent, onFacts) {
      latest += 1;
      const mine = latest;
      share = 0;
      toldAt = performance.now();
      // From now on, whatever is written goes to the new index by itself.
      written = new Set();
      try {
        await fill(mine, adoptContent, onFacts);
      } catch (error) {
        faults.report('index', storeFault('rebuild the index', error));
      } finally {
        if (mine === latest) share = undefined;
        onFacts?.();
      }
    },
    stop: () => {
      latest += 1;
      share = undefined;
    },
  };
}
