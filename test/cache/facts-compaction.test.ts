import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import {
  compactedBytesOf,
  copyBytes,
  discardDraft,
  draftCompacted,
  isOvergrown,
} from '../../src/cache/facts-compaction.js';
import { encodeFact } from '../../src/cache/facts-lines.js';
import { replayFacts } from '../../src/cache/facts-replay.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/facts-compaction', () => {
  let folder: TempDir;
  let file: string;
  beforeEach(async () => {
    folder = await createTempDir();
    file = path.join(folder.path, 'facts.log');
  });
  afterEach(() => folder.remove());

  const lines = Array.from({ length: 5_000 }, (_, n) => encodeFact({ kind: 'tag', key: `k${n % 10}`, value: n })).join(
    '',
  );

  it('is worth it for a log that has doubled and is not small', () => {
    const MiB = 1024 * 1024;
    assert.equal(isOvergrown(4 * MiB - 1, 0), false);
    assert.equal(isOvergrown(4 * MiB, 0), true);
    assert.equal(isOvergrown(4 * MiB, 2 * MiB + 1), false);
  });

  it('drafts what holds up to a place, under a head that tells its size', async () => {
    await fs.writeFile(file, `${lines}the rest`);
    const draft = await draftCompacted(file, Buffer.byteLength(lines), () => false);
    assert.equal((await draft.handle.stat()).size, draft.sizeBytes);
    assert.ok(draft.sizeBytes < 1_000);
    assert.equal(await compactedBytesOf(draft.handle), draft.sizeBytes);
    const found: unknown[] = [];
    const { badLines } = await replayFacts(draft.path, {
      take: (facts) => void found.push(...facts.map((one) => one.value)),
    });
    assert.equal(badLines, 0);
    assert.deepEqual(
      found,
      Array.from({ length: 10 }, (_, n) => 4_990 + n),
    );
    const log = await fs.open(file);
    await copyBytes(log, Buffer.byteLength(lines), Buffer.byteLength(lines) + 8, draft.handle, draft.sizeBytes);
    await log.close();
    assert.match(await fs.readFile(draft.path, 'utf8'), /\nthe rest$/);
    await discardDraft(draft);
    assert.deepEqual(await fs.readdir(folder.path), ['facts.log']);
  });

  it('takes the place of a draft that a crash left, and leaves none where it is stopped', async () => {
    await fs.writeFile(file, lines);
    await fs.writeFile(`${file}.new`, 'left behind');
    await assert.rejects(
      draftCompacted(file, lines.length, () => true),
      /stopped/,
    );
    assert.deepEqual(await fs.readdir(folder.path), ['facts.log']);
  });

  it('knows a log that was never compacted', async () => {
    await fs.writeFile(file, '');
    for (const text of ['', lines]) {
      await fs.writeFile(file, text);
      const handle = await fs.open(file);
      assert.equal(await compactedBytesOf(handle), 0);
      await handle.close();
    }
  });
});
