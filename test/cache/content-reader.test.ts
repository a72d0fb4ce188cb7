import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type BufferPool, createBufferPool } from '../../src/cache/buffer-pool.js';
import { ChunkChecks } from '../../src/cache/chunk-checks.js';
import { ContentReader, damageReason } from '../../src/cache/content-reader.js';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';
import { CHUNK_BYTES, RunningSums } from '../../src/cache/sums.js';
import { ProxyError } from '../../src/errors.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

const MIB = 1024 * 1024;

describe('cache/content-reader', () => {
  const bytes = randomBytes(5 * MIB + 12_345);
  let folder: CacheFolder;
  let file: string;
  let pool: BufferPool;
  let damage: string[];
  let now: number;
  let readBytes: number;
  let opened: ContentReader[];

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = path.join(folder.directory, 'content');
    await fs.writeFile(file, bytes);
    pool = createBufferPool(8 * MIB);
    damage = [];
    now = 0;
    readBytes = 0;
    opened = [];
  });

  afterEach(async () => {
    for (const reader of opened) reader.close();
    assert.equal(pool.outBytes, 0, 'every buffer is back in the pool');
    await folder.dispose();
  });

  async function checksOf(): Promise<ChunkChecks> {
    const running = new RunningSums();
    running.update(bytes);
    const sums = { sizeBytes: bytes.length, mediaType: undefined, storedAt: 0, generation: '', crcs: running.crcs() };
    return new ChunkChecks(sums, { ino: 1, sizeBytes: bytes.length, mtimeMs: 1, isFile: true });
  }

  async function open(checks: ChunkChecks, changes: Partial<FileSystem> = {}): Promise<ContentReader> {
    const files = { ...nodeFileSystem, ...changes };
    const counting: FileSystem = {
      ...files,
      async readAt(...call) {
        const got = await files.readAt(...call);
        readBytes += got;
        return got;
      },
    };
    const reader = new ContentReader({
      files: counting,
      fd: await nodeFileSystem.open(file, constants.O_RDONLY),
      checks,
      pool,
      now: () => now,
      onDamage: async (reason) => void damage.push(reason),
    });
    opened.push(reader);
    return reader;
  }

  async function readLengths(reader: ContentReader, from: number, maxBytes: number): Promise<number[]> {
    const lengths: number[] = [];
    let at = from;
    for (;;) {
      const piece = await reader.read(at, maxBytes);
      if (piece === undefined) return lengths;
      assert.deepEqual(Buffer.from(piece.bytes), bytes.subarray(at, at + piece.bytes.byteLength));
      lengths.push(piece.bytes.byteLength);
      at += piece.bytes.byteLength;
      piece.release();
    }
  }

  it('reads 256 KiB at a time up to 4 MiB, and 1 MiB then', async () => {
    const lengths = await readLengths(await open(await checksOf()), 0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(lengths, [...Array<number>(16).fill(256 * 1024), MIB, 12_345]);
    assert.equal(readBytes, bytes.length);
  });

  it('reads ahead until 3 MiB of the pool are lent out', async () => {
    pool = createBufferPool(64 * MIB);
    const reader = await open(await checksOf());
    assert.equal(reader.readsAhead, true);
    const lent = Array.from({ length: 3 }, () => pool.take(MIB));
    assert.equal(reader.readsAhead, true);
    lent.push(pool.take(MIB));
    assert.equal(reader.readsAhead, false);
    for (const piece of lent) piece.release();
    assert.equal(reader.readsAhead, true);
  });

  it('gives the right bytes from any offset in steps of any length, checked or not', async () => {
    const checks = await checksOf();
    for (const [from, maxBytes] of [
      [1, 100_000],
      [CHUNK_BYTES - 1, CHUNK_BYTES],
      [CHUNK_BYTES + 1, MIB],
      [bytes.length - 1, MIB],
      [3 * MIB, 5_000],
      [100, 300_000],
    ] as const) {
      await readLengths(await open(await checksOf()), from, maxBytes);
      await readLengths(await open(checks), from, maxBytes);
    }
  });

  it('reads whole chunks until they are checked, then only what is asked for, for an hour', async () => {
    const reader = await open(await checksOf());
    async function readPart(): Promise<number> {
      const before = readBytes;
      (await reader.read(CHUNK_BYTES + 10, 20))?.release();
      return readBytes - before;
    }
    assert.equal(await readPart(), CHUNK_BYTES);
    assert.equal(await readPart(), 20);
    now = 3_602_000;
    assert.equal(await readPart(), CHUNK_BYTES);
  });

  it('serves through 64 KiB from outside when the pool is exhausted, checked all the same', async () => {
    const hoard = Array.from({ length: 40 }, () => pool.take(1)).slice(0, 32);
    const lengths = await readLengths(await open(await checksOf()), 0, Number.MAX_SAFE_INTEGER);
    assert.ok(lengths.every((length) => length <= 65_536));
    await fs.writeFile(
      file,
      Buffer.concat([bytes.subarray(0, 70_000), Buffer.of(~bytes[70_000]! & 255), bytes.subarray(70_001)]),
    );
    await assert.rejects((await open(await checksOf())).read(0, 10), { code: 'content-damaged' });
    for (const piece of hoard) piece.release();
  });

  it('never lets a flipped bit leave, wherever it is', async () => {
    for (const at of [0, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * MIB + 5, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      await fs.writeFile(file, flipped);
      damage = [];
      const reader = await open(await checksOf());
      await assert.rejects(readLengths(reader, 0, Number.MAX_SAFE_INTEGER), { code: 'content-damaged' });
      await assert.rejects(reader.read(at - (at % CHUNK_BYTES), 1), { code: 'content-damaged' });
      assert.match(damage[0] ?? '', new RegExp(`chunk ${Math.floor(at / CHUNK_BYTES)} `));
    }
  });

  it('takes a short file and EIO for damage, other errors for faults of the store', async () => {
    await fs.truncate(file, 2 * MIB);
    await assert.rejects(readLengths(await open(await checksOf()), 0, MIB), { code: 'content-damaged' });
    assert.equal(damage.length, 1);
    for (const [code, expected] of [
      ['EIO', 'content-damaged'],
      ['EMFILE', 'store'],
    ] as const) {
      const failing = { readAt: () => Promise.reject(Object.assign(new Error('x'), { code })) };
      await assert.rejects(
        (await open(await checksOf(), failing)).read(0, 10),
        (error) => error instanceof ProxyError && error.code === expected,
      );
    }
    assert.equal(damage.length, 2);
    assert.equal(damageReason(new Error('x')), undefined);
  });

  it('closes its file only when no read is under way', async () => {
    let finish: (() => void) | undefined;
    let closed = 0;
    const reader = await open(await checksOf(), {
      readAt: async (...call) => {
        await new Promise<void>((resolve) => (finish = resolve));
        return nodeFileSystem.readAt(...call);
      },
      close: async (fd) => {
        closed += 1;
        await nodeFileSystem.close(fd);
      },
    });
    const reading = reader.read(0, 10);
    reader.close();
    assert.equal(closed, 0);
    finish?.();
    const piece = await reading;
    assert.deepEqual(Buffer.from(piece?.bytes ?? []), bytes.subarray(0, 10));
    piece?.release();
    reader.close();
    assert.equal(closed, 1);
    await assert.rejects(reader.read(0, 10), { code: 'internal' });
  });
});
