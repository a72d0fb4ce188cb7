import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { quarantineFolder, spoolFolder } from './content-paths.js';
import { walkFolders } from './content-walk.js';
import { quarantineLimitBytes } from './quarantine.js';

const FIRST_AFTER_MS = 60_000;
const EVERY_MS = 3_600_000;
const QUARANTINE_MS = 7 * 86_400_000;
/** Spools that nobody keeps; kept prefixes have other names, and whoever keeps them looks after them. */
const SPOOL = /^[0-9a-f]{24}$/;
/** What a crash leaves of files that are written under one name and renamed to another, and old indexes that were broken. */
const DRAFT =
  /^(?:(?:VERSION|generation|lock|installation-id|admin\.token)\.(?:stale-)?[0-9a-f]{12}|facts\.log\.new|scrub-position\.new)$/;

export interface Sweeper {
  /** Goes through the folder once, now. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export interface SweepOptions {
  readonly directory: string;
  /** Other upkeep that has the same rhythm. */
  readonly also?: () => Promise<void>;
  /** What the quarantine may take; asked for at each sweep. */
  readonly quarantineBytes?: () => Promise<number>;
  readonly quarantineMs?: number;
}

/**
 * Takes away what crashes and faults leave behind, every hour: sums without content, drafts, spools that nobody writes;
 * and bounds the quarantine in bytes and age. Except in the quarantine, a file goes when a second sweep finds it
 * unchanged: no clock is asked how old it is.
 */
export function startSweeper(options: SweepOptions): Sweeper {
  const {
    directory,
    also,
    quarantineBytes = async () => quarantineLimitBytes(undefined),
    quarantineMs = QUARANTINE_MS,
  } = options;
  const stop = new AbortController();
  let suspects = new Map<string, string>();

  async function run(): Promise<void> {
    for (let waitMs = FIRST_AFTER_MS; ; waitMs = EVERY_MS) {
      await delay(waitMs, undefined, { signal: stop.signal, ref: false });
      await sweep();
      await also?.();
    }
  }

  async function sweep(): Promise<void> {
    const found = new Map<string, string>();
    await suspectIn(directory, (name) => DRAFT.test(name), found);
    await suspectIn(spoolFolder(directory), (name) => SPOOL.test(name), found);
    for await (const { folder, names } of walkFolders(directory)) {
      if (stop.signal.aborted) return;
      const present = new Set(names);
      const isOrphan = (name: string): boolean => name.endsWith('.sum') && !present.has(name.slice(0, -4));
      await suspectIn(folder, isOrphan, found, names);
    }
    suspects = found;
    await boundQuarantine();
  }

  async function suspectIn(
    folder: string,
    isSuspect: (name: string) => boolean,
    found: Map<string, string>,
    known?: readonly string[],
  ): Promise<void> {
    for (const name of (known ?? (await namesIn(folder))).filter(isSuspect)) {
      const file = path.join(folder, name);
      const stat = await fs.lstat(file).catch(() => undefined);
      if (stat === undefined) continue;
      const state = `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
      if (suspects.get(file) === state) await fs.rm(file, { force: true, recursive: true }).catch(() => {});
      else found.set(file, state);
    }
  }

  /** The newest stay, as long as there is room for them. */
  async function boundQuarantine(): Promise<void> {
    const folder = quarantineFolder(directory);
    const held: { readonly file: string; readonly bytes: number; readonly movedAt: number }[] = [];
    for (const name of await namesIn(folder)) {
      const file = path.join(folder, name);
      const stat = await fs.lstat(file).catch(() => undefined);
      if (stat !== undefined) held.push({ file, bytes: stat.size, movedAt: stat.ctimeMs });
    }
    const most = await quarantineBytes();
    let bytes = 0;
    for (const one of held.toSorted((a, b) => b.movedAt - a.movedAt)) {
      const isOld = Date.now() - one.movedAt > quarantineMs;
      // One that is too large by itself goes alone.
      const fits = !isOld && bytes + one.bytes <= most;
      if (fits) bytes += one.bytes;
      else await fs.rm(one.file, { force: true, recursive: true }).catch(() => {});
    }
  }

  const running = run().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    sweep,
    async close() {
      stop.abort();
      await running;
    },
  };
}

function namesIn(folder: string): Promise<string[]> {
  return fs.readdir(folder).catch(() => []);
}
