import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { quarantineLimitBytes, quarantineTotals } from '../../src/cache/quarantine.js';

describe('cache/quarantine', () => {
  it('may take a GiB, and a tenth of the budget at most', () => {
    const space = { budgetBytes: 5_000, usedBytes: 0, budgetRoomBytes: -1, diskRoomBytes: -1 };
    assert.equal(quarantineLimitBytes(space), 500);
    assert.equal(quarantineLimitBytes({ ...space, budgetBytes: 1e12 }), 1024 ** 3);
    assert.equal(quarantineLimitBytes(undefined), 1024 ** 3);
  });

  it('tells how much is put aside, and nothing where there is no such folder', async () => {
    const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'entrepot-quarantine-'));
    try {
      assert.deepEqual(await quarantineTotals(directory), { bytes: 0, entries: 0 });
      await fs.mkdir(path.join(directory, 'quarantine'));
      await fs.writeFile(path.join(directory, 'quarantine', 'one'), Buffer.alloc(70));
      await fs.writeFile(path.join(directory, 'quarantine', 'two'), Buffer.alloc(30));
      assert.deepEqual(await quarantineTotals(directory), { bytes: 100, entries: 2 });
    } finally {
      await fs.rm(directory, { recursive: true });
    }
  });
});
