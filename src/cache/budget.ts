import type { SpaceLimit } from './contract.js';
import type { FileSystem } from './file-system.js';
import type { OpenSpools } from './open-spools.js';
import { otherFilesBytes } from './other-files.js';

/** Files besides content change little; so often they are looked at anew. */
const LOOK_EVERY_MS = 10_000;

export interface BudgetOptions {
  /** What the store may take; a share is one of the whole file system. No limit where it is left out. */
  readonly maxSize?: SpaceLimit;
  /** What must stay free on the file system, whoever fills it. */
  readonly minFree?: SpaceLimit;
}

/** How much room there is, in bytes. */
export interface Space {
  /** What the store may take; infinite where there is no limit and the file system does not say how large it is. */
  readonly budgetBytes: number;
  /** What the store takes: content, files besides it, and what is promised to spools. */
  readonly usedBytes: number;
  /** What may still be promised within the budget; negative where too much is taken already. */
  readonly budgetRoomBytes: number;
  /** What may still be promised before the file system is as full as it may be. */
  readonly diskRoomBytes: number;
}

export interface Budget {
  measure(): Promise<Space>;
  /** The last measure; undefined before the first. */
  readonly last: Space | undefined;
}

interface Parts extends BudgetOptions {
  readonly files: FileSystem;
  readonly directory: string;
  readonly spools: OpenSpools;
  /** What stored content takes now. */
  readonly contentBytes: () => number;
  readonly elapsedMs?: () => number;
}

export function createBudget(parts: Parts): Budget {
  const { files, directory, spools, contentBytes, elapsedMs = () => performance.now() } = parts;
  const { maxSize, minFree = { bytes: 0 } } = parts;
  let last: Space | undefined;
  let looked: { readonly at: number; readonly otherBytes: number; readonly totalBytes: number } | undefined;

  /** What changes little. */
  async function look(): Promise<NonNullable<typeof looked>> {
    if (looked !== undefined && elapsedMs() - looked.at < LOOK_EVERY_MS) return looked;
    const [otherBytes, totalBytes] = await Promise.all([
      otherFilesBytes(directory, (file) => spools.hasFile(file)),
      files.totalBytes(directory).catch(unknown),
    ]);
    looked = { at: elapsedMs(), otherBytes, totalBytes };
    return looked;
  }

  async function measure(): Promise<Space> {
    const [free, { otherBytes: other, totalBytes: total }] = await Promise.all([
      files.freeBytes(directory).catch(unknown),
      look(),
    ]);
    // A budget above the file system's size would never be reached, and its watermarks always.
    const budgetBytes = maxSize === undefined ? total : Math.min(bytesOf(maxSize, total), total);
    const usedBytes = contentBytes() + other + spools.bytes;
    const keptFree = Number.isFinite(total) ? bytesOf(minFree, total) : 0;
    last = {
      budgetBytes,
      usedBytes,
      budgetRoomBytes: maxSize === undefined ? Number.POSITIVE_INFINITY : budgetBytes - usedBytes,
      diskRoomBytes: free - keptFree - spools.unwrittenBytes,
    };
    return last;
  }

  return {
    measure,
    get last() {
      return last;
    },
  };
}

/** Where the file system cannot say, the writes will. */
function unknown(): number {
  return Number.POSITIVE_INFINITY;
}

function bytesOf(limit: SpaceLimit, total: number): number {
  return 'bytes' in limit ? limit.bytes : Math.floor(limit.share * total);
}
