import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { crc32 } from 'node:zlib';
import type { FactKind } from './contract.js';

/** One line of the log: a fact, or without a value, that it holds no longer. */
export interface FactRecord {
  readonly kind: FactKind;
  readonly key: string;
  readonly value: unknown;
}

/** The append-only log of what content files cannot tell. */
export interface FactsLog {
  /** Resolves when the record's line is in the file (not yet on the disk). */
  append(record: FactRecord): Promise<void>;
  /** Brings all appended lines to the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What stood in a log when it was read. */
export interface FactsReplay {
  readonly facts: readonly FactRecord[];
  /** Lines that were torn or damaged, and left out. */
  readonly badLines: number;
}

const KINDS: ReadonlySet<string> = new Set<FactKind>(['link', 'public', 'tag', 'host', 'pin']);
/** Below this a log is never worth compacting. */
const COMPACT_FLOOR_BYTES = 4 * 1024 * 1024;

export function factsLogPath(directory: string): string {
  return path.join(directory, 'facts.log');
}

/** Reads the log and gives the facts that hold, each once. A missing log is an empty one; a bad line is counted and skipped. */
export async function replayFacts(file: string): Promise<FactsReplay> {
  const facts = new Map<string, FactRecord>();
  let badLines = 0;
  if (!fs.existsSync(file)) return { facts: [], badLines };
  const input = fs.createReadStream(file, { highWaterMark: 1024 * 1024 });
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line === '') continue;
    const record = decodeLine(line);
    if (record === undefined) badLines += 1;
    else if (record === 'head') continue;
    else if (record.value === undefined) facts.delete(`${record.kind}:${record.key}`);
    else facts.set(`${record.kind}:${record.key}`, record);
  }
  return { facts: [...facts.values()], badLines };
}

/**
 * Rewrites the log with only what holds when it has more than doubled since it was last rewritten (and is above
 * 4 MiB). The size then is the log's first line. A crash leaves the old log or the new one.
 */
export async function compactFacts(file: string): Promise<boolean> {
  const sizeBytes = await fsPromises.stat(file).then(
    (stat) => stat.size,
    () => 0,
  );
  if (sizeBytes < COMPACT_FLOOR_BYTES || sizeBytes < 2 * (await compactedBytes(file))) return false;
  const { facts } = await replayFacts(file);
  const lines = facts.map((record) => encodeLine(toJson(record)));
  const head = encodeLine({ compactedBytes: lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0) });
  const draft = `${file}.new`;
  await fsPromises.writeFile(draft, head + lines.join(''), { mode: 0o600, flush: true });
  await fsPromises.rename(draft, file);
  return true;
}

/** A log for appending. The file is opened with the first record, and again with the next where that failed. */
export function createFactsLog(file: string): FactsLog {
  let handle: fsPromises.FileHandle | undefined;
  let mustBreakLine = false;
  let gathered: string[] = [];
  let next: Promise<void> | undefined;
  let current: Promise<void> = Promise.resolve();

  async function appendGathered(before: Promise<void>): Promise<void> {
    await before.catch(() => {});
    const lines = gathered.join('');
    gathered = [];
    next = undefined;
    if (handle === undefined) {
      handle = await fsPromises.open(file, 'a+', 0o600);
      mustBreakLine = await endsTorn(handle);
    }
    const text = mustBreakLine ? `\n${lines}` : lines;
    // Until the write has come back, the file may end anywhere.
    mustBreakLine = true;
    await handle.appendFile(text);
    mustBreakLine = false;
  }

  function append(record: FactRecord): Promise<void> {
    gathered.push(encodeLine(toJson(record)));
    if (next === undefined) {
      next = appendGathered(current);
      current = next;
    }
    return next;
  }

  return {
    append,
    async sync() {
      await current.catch(() => {});
      await handle?.datasync();
    },
    async close() {
      await current.catch(() => {});
      await handle?.datasync().catch(() => {});
      await handle?.close();
    },
  };
}

async function endsTorn(handle: fsPromises.FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return false;
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== 0x0a;
}

async function compactedBytes(file: string): Promise<number> {
  const input = fs.createReadStream(file, { end: 255 });
  for await (const line of createInterface({ input })) {
    const value = decodeJson(line);
    return value !== undefined && typeof value['compactedBytes'] === 'number' ? value['compactedBytes'] : 0;
  }
  return 0;
}

function toJson(record: FactRecord): object {
  return { k: record.kind, i: record.key, v: record.value };
}

/** Line breaks that JSON leaves as they are, and that some readers of lines (Node 24's readline) stop at. */
const RAW_LINE_BREAKS = /[\u2028\u2029]/g;

/** One line holds one record whatever a key is made of. */
function encodeLine(value: object): string {
  const json = JSON.stringify(value).replace(RAW_LINE_BREAKS, (found) => `\\u${found.charCodeAt(0).toString(16)}`);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

function decodeLine(line: string): FactRecord | 'head' | undefined {
  const value = decodeJson(line);
  if (value === undefined) return undefined;
  if ('compactedBytes' in value) return 'head';
  const { k, i } = value;
  if (typeof k !== 'string' || !KINDS.has(k) || typeof i !== 'string') return undefined;
  return { kind: k as FactKind, key: i, value: value['v'] };
}

function decodeJson(line: string): Record<string, unknown> | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || crc32(json).toString(16).padStart(8, '0') !== line.slice(0, 8)) return undefined;
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
