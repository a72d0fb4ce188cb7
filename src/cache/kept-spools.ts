import fs from 'node:fs/promises';
import path from 'node:path';
import { spoolFolder } from './content-paths.js';
import type { Totals } from './contract.js';
import { discardFile, type FileSystem } from './file-system.js';
import { isKeptFile, KEPT_SUFFIX, newKeptPath, parseKeptName } from './kept-names.js';
import { decodeSums } from './sums.js';
import { writeSums } from './sums-file.js';

/** The beginning of content whose download broke off. */
export interface KeptPrefix {
  readonly path: string;
  readonly stem: string;
  readonly expectedBytes: number | undefined;
  readonly sizeBytes: number;
  /** What the file takes; behind a kill it is longer than what is good of it. */
  readonly fileBytes: number;
  readonly crcs: Uint32Array;
  /** Milliseconds since the epoch. */
  readonly keptAt: number;
}

/** What a spool tells while it is written, so that it can be gone on with. */
export interface SpoolKeeper {
  /** So much of the spool is good, by these sums, whatever happens next. */
  note(sizeBytes: number, crcs: Uint32Array): Promise<void>;
  /** The file is closed, and is there for the next one. */
  keep(): Promise<void>;
  /** The file is gone, or is content now. */
  forget(): Promise<void>;
}

export interface KeptLimits {
  readonly entries: number;
  readonly ageMs: number;
}

/** More than a pull of one large image has layers on their way, and not a disk full of beginnings. */
export const KEPT_LIMITS: KeptLimits = { entries: 16, ageMs: 24 * 3_600_000 };

/** Sums have a place for it; it says nothing here, since every chunk is read again. */
const NO_GENERATION = '0'.repeat(32);

interface KeptOptions {
  readonly directory: string;
  readonly files: FileSystem;
  readonly limits?: KeptLimits;
  /** How many bytes may be kept in all; no limit where it is left out. */
  readonly limitBytes?: () => Promise<number>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * The beginnings of content that wait for the next download, bounded in number, age and bytes. Each is for one digest from one
 * registry and repository: what another repository delivered is none of its business.
 */
export class KeptSpools {
  readonly #directory: string;
  readonly #files: FileSystem;
  readonly #limits: KeptLimits;
  readonly #limitBytes: () => Promise<number>;
  readonly #now: () => number;
  readonly #kept = new Map<string, KeptPrefix>();

  constructor({ directory, files, limits = KEPT_LIMITS, limitBytes = unlimited, now = Date.now }: KeptOptions) {
    this.#directory = directory;
    this.#files = files;
    this.#limits = limits;
    this.#limitBytes = limitBytes;
    this.#now = now;
  }

  get usage(): Totals {
    let bytes = 0;
    for (const { fileBytes } of this.#kept.values()) bytes += fileBytes;
    return { bytes, entries: this.#kept.size };
  }

  /** Takes over what the last run left, and sweeps what cannot be used. Never rejects. */
  async load(): Promise<void> {
    const folder = spoolFolder(this.#directory);
    const names = (await fs.readdir(folder).catch(() => [])).filter(isKeptFile);
    const found: KeptPrefix[] = [];
    for (const name of names) {
      if (name.endsWith(KEPT_SUFFIX)) {
        if (!names.includes(name.slice(0, -KEPT_SUFFIX.length)))
          await discardFile(this.#files, path.join(folder, name));
        continue;
      }
      const prefix = await this.#read(path.join(folder, name));
      if (prefix !== undefined) found.push(prefix);
      else await this.#discard(path.join(folder, name));
    }
    for (const prefix of found.toSorted((a, b) => a.keptAt - b.keptAt)) await this.#add(prefix);
  }

  /** Where a new spool is to be written that may be kept. */
  newPath(stem: string, expectedBytes: number | undefined): string {
    return newKeptPath(this.#directory, stem, expectedBytes);
  }

  keeperOf(file: string): SpoolKeeper {
    return {
      note: async (sizeBytes, crcs) => {
        const sums = { sizeBytes, mediaType: undefined, storedAt: this.#now(), generation: NO_GENERATION, crcs };
        await this.#files.rename(await writeSums(this.#files, this.#directory, sums, false), `${file}${KEPT_SUFFIX}`);
      },
      keep: async () => {
        const prefix = await this.#read(file);
        await (prefix === undefined ? this.#discard(file) : this.#add(prefix));
      },
      forget: () => discardFile(this.#files, `${file}${KEPT_SUFFIX}`),
    };
  }

  /** What is kept under this name, which is not kept any more. */
  async take(stem: string): Promise<KeptPrefix | undefined> {
    await this.#dropOld();
    const prefix = this.#kept.get(stem);
    this.#kept.delete(stem);
    return prefix;
  }

  /** Removes what has waited too long, and what is too much. */
  async expire(): Promise<void> {
    await this.#dropOld();
    await this.#dropExcess();
  }

  /** Removes everything: room is needed. Gives the number of bytes. */
  async clear(): Promise<number> {
    const { bytes } = this.usage;
    for (const prefix of [...this.#kept.values()]) await this.#drop(prefix);
    return bytes;
  }

  /** A clock that went back by more than the limit says as little as one that went ahead. */
  #isOld({ keptAt }: KeptPrefix): boolean {
    return Math.abs(this.#now() - keptAt) > this.#limits.ageMs;
  }

  async #add(prefix: KeptPrefix): Promise<void> {
    const standing = this.#kept.get(prefix.stem);
    if (this.#isOld(prefix) || (standing !== undefined && standing.sizeBytes > prefix.sizeBytes)) {
      await this.#discard(prefix.path);
      return;
    }
    // Deleted first, so that the order of the map is that of keeping.
    this.#kept.delete(prefix.stem);
    this.#kept.set(prefix.stem, prefix);
    if (standing !== undefined) await this.#discard(standing.path);
    await this.#dropExcess();
  }

  async #dropOld(): Promise<void> {
    for (const prefix of [...this.#kept.values()].filter((one) => this.#isOld(one))) await this.#drop(prefix);
  }

  /** What is too large by itself goes first, lest all others go for it; then the oldest. */
  async #dropExcess(): Promise<void> {
    const limitBytes = await this.#limitBytes();
    for (const prefix of [...this.#kept.values()]) if (prefix.fileBytes > limitBytes) await this.#drop(prefix);
    for (const oldest of [...this.#kept.values()]) {
      const { bytes, entries } = this.usage;
      if (entries <= this.#limits.entries && bytes <= limitBytes) break;
      await this.#drop(oldest);
    }
  }

  async #drop(prefix: KeptPrefix): Promise<void> {
    // Taken meanwhile, it is somebody's.
    if (this.#kept.get(prefix.stem) !== prefix) return;
    this.#kept.delete(prefix.stem);
    await this.#discard(prefix.path);
  }

  /** The bytes go first: a side-car alone is swept at the next start. */
  async #discard(file: string): Promise<void> {
    await discardFile(this.#files, file);
    await discardFile(this.#files, `${file}${KEPT_SUFFIX}`);
  }

  async #read(file: string): Promise<KeptPrefix | undefined> {
    const name = parseKeptName(path.basename(file));
    const bytes = await fs.readFile(`${file}${KEPT_SUFFIX}`).catch(() => undefined);
    const sums = bytes && decodeSums(bytes);
    const facts = await this.#files.factsAt(file).catch(() => undefined);
    if (name === undefined || sums === undefined || facts?.isFile !== true) return undefined;
    if (sums.sizeBytes === 0 || facts.sizeBytes < sums.sizeBytes) return undefined;
    const { sizeBytes, crcs, storedAt: keptAt } = sums;
    return { path: file, ...name, sizeBytes, fileBytes: facts.sizeBytes, crcs, keptAt };
  }
}

async function unlimited(): Promise<number> {
  return Number.POSITIVE_INFINITY;
}
