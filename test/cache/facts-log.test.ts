import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import type { FactsReplay } from '../../src/cache/facts-log.js';
import { compactFacts, createFactsLog, factsLogPath, replayFacts } from '../../src/cache/facts-log.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';

function pairs(replay: FactsReplay): [string, unknown][] {
  return replay.facts.map(({ key, value }) => [key, value]);
}

describe('cache/facts-log', () => {
  let folder: CacheFolder;
  let file: string;

  beforeEach(async () => {
    folder = await createCacheFolder();
    file = factsLogPath(folder.directory);
  });

  afterEach(() => folder.dispose());

  async function append(...records: [string, unknown][]): Promise<void> {
    const log = createFactsLog(file);
    await Promise.all(records.map(([key, value]) => log.append({ kind: 'link', key, value })));
    await log.sync();
    await log.close();
  }

  it('gives each fact once, as it was last written, without those that were deleted', async () => {
    await append(['a', 1], ['b', { at: 2 }], ['a', 3], ['c', null], ['b', undefined]);
    await append(['d\n\r\u2028é', 'x\ny']);
    const replay = await replayFacts(file);
    assert.deepEqual(pairs(replay), [
      ['a', 3],
      ['c', null],
      ['d\n\r\u2028é', 'x\ny'],
    ]);
    assert.equal(replay.badLines, 0);
  });

  it('is empty where there is no file, and makes none before the first fact', async () => {
    assert.deepEqual(await replayFacts(file), { facts: [], badLines: 0 });
    await append();
    await assert.rejects(fs.stat(file), { code: 'ENOENT' });
  });

  it('loses only the torn line, wherever the file was cut, and goes on behind it', async () => {
    await append(['a', 1], ['b', 2]);
    const whole = await fs.readFile(file);
    const firstLine = whole.indexOf(0x0a) + 1;
    for (let length = firstLine; length < whole.length - 1; length += 1) {
      await fs.writeFile(file, whole.subarray(0, length));
      await append(['c', 3]);
      const replay = await replayFacts(file);
      assert.deepEqual(pairs(replay), [
        ['a', 1],
        ['c', 3],
      ]);
      assert.equal(replay.badLines, length === firstLine ? 0 : 1);
    }
  });

  it('leaves out a line with any single bit flipped', async () => {
    await append(['only', 1]);
    const whole = await fs.readFile(file);
    for (let bit = 0; bit < (whole.length - 1) * 8; bit += 1) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await fs.writeFile(file, flipped);
      assert.deepEqual((await replayFacts(file)).facts, [], `bit ${bit}`);
    }
  });

  it('leaves out lines that are whole but mean nothing', async () => {
    const log = createFactsLog(file);
    await log.append({ kind: 'nonsense' as 'link', key: 'a', value: 1 });
    await log.close();
    assert.deepEqual(await replayFacts(file), { facts: [], badLines: 1 });
  });

  it('is rewritten when it has doubled, and not again before the next doubling', async () => {
    assert.equal(await compactFacts(file), false);
    const filler = 'x'.repeat(1_000);
    await append(...Array.from({ length: 6_000 }, (_, n): [string, unknown] => [`k${n % 10}`, { n, filler }]));
    const before = await replayFacts(file);
    assert.equal(await compactFacts(file), true);
    assert.ok((await fs.stat(file)).size < 20_000);
    assert.deepEqual(await replayFacts(file), before);
    assert.equal(await compactFacts(file), false);

    await append(...Array.from({ length: 6_000 }, (_, n): [string, unknown] => [`k${n}`, { n, filler }]));
    assert.equal(await compactFacts(file), true);
    assert.equal(await compactFacts(file), false);
    assert.equal((await replayFacts(file)).facts.length, 6_000);
  });

  it('rejects while the file cannot be written, and works again when it can', async () => {
    await fs.mkdir(file);
    const log = createFactsLog(file);
    await assert.rejects(log.append({ kind: 'tag', key: 'a', value: 1 }), { code: 'EISDIR' });
    await fs.rmdir(file);
    await log.append({ kind: 'tag', key: 'b', value: 2 });
    await log.close();
    assert.deepEqual(pairs(await replayFacts(file)), [['b', 2]]);
  });
});
