import assert from 'node:assert/strict';
import { ChunkChecks } from '../../src/cache/chunk-checks.js';
import { CHUNK_BYTES } from '../../src/cache/sums.js';

const HOUR_MS = 3_600_000;
const FILE = { ino: 5, sizeBytes: 3 * CHUNK_BYTES, mtimeMs: 77, isFile: true };

function checksOf(): ChunkChecks {
  const crcs = Uint32Array.of(10, 20, 30);
  return new ChunkChecks({ sizeBytes: 3 * CHUNK_BYTES, mediaType: undefined, storedAt: 0, generation: '', crcs }, FILE);
}

describe('cache/chunk-checks', () => {
  it('covers a range only when all its chunks were found right', () => {
    const checks = checksOf();
    assert.equal(checks.covers(0, 1, 0), false);
    assert.ok(checks.accept(0, 10, 0));
    assert.ok(checks.accept(1, 20, 0));
    assert.equal(checks.accept(2, 31, 0), false);
    assert.ok(checks.covers(0, 2 * CHUNK_BYTES, 0));
    assert.equal(checks.covers(0, 2 * CHUNK_BYTES + 1, 0), false);
    assert.equal(checks.covers(2 * CHUNK_BYTES - 1, 2, 0), false);
  });

  it('lets a check hold for an hour', () => {
    const checks = checksOf();
    checks.accept(0, 10, 5_000);
    assert.ok(checks.covers(0, 1, 5_000 + HOUR_MS));
    assert.equal(checks.covers(0, 1, 5_000 + HOUR_MS + 1_000), false);
  });

  it('knows a changed file by its inode, size or time', () => {
    const checks = checksOf();
    assert.ok(checks.isFor({ ...FILE }));
    for (const change of [{ ino: 6 }, { sizeBytes: 1 }, { mtimeMs: 78 }]) {
      assert.equal(checks.isFor({ ...FILE, ...change }), false);
    }
  });
});
