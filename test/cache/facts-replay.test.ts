import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { encodeFact, encodeHead, type FactRecord } from '../../src/cache/facts-lines.js';
import { type Replay, type ReplayOptions, replayFacts } from '../../src/cache/facts-replay.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('cache/facts-replay', () => {
  let folder: TempDir;
  let file: string;
  let taken: FactRecord[];

  beforeEach(async () => {
    folder = await createTempDir();
    file = path.join(folder.path, 'facts.log');
    taken = [];
  });
  afterEach(() => folder.remove());

  function replay(options: Partial<ReplayOptions> = {}): Promise<Replay> {
    taken = [];
    return replayFacts(file, { take: (facts) => void taken.push(...facts), ...options });
  }

  function line(key: string, value: unknown): string {
    return encodeFact({ kind: 'link', key, value });
  }

  it('gives each fact once, with its last value, and never one that was taken back', async () => {
    const text = [line('a', 1), line('b', { at: 2 }), 'garbage\n', line('a', 3), line('c', null), line('b', undefined)];
    await fs.writeFile(file, [encodeHead({ compactedBytes: 9 }), ...text, line('d', 4).slice(0, -5)].join(''));
    assert.deepEqual(await replay(), { facts: 2, badLines: 2, whole: true });
    assert.deepEqual(
      taken.map(({ key, value }) => [key, value]),
      [
        ['a', 3],
        ['c', null],
      ],
    );
  });

  it('is empty where there is no file, and rejects where it cannot be read', async () => {
    assert.deepEqual(await replay(), { facts: 0, badLines: 0, whole: true });
    await fs.mkdir(file);
    await assert.rejects(replay());
  });

  it('reads up to a place, as the log may grow meanwhile', async () => {
    const first = line('a', 1);
    await fs.writeFile(file, first + line('a', undefined));
    await replay({ endBytes: Buffer.byteLength(first) });
    assert.deepEqual(taken, [{ kind: 'link', key: 'a', value: 1 }]);
  });

  it('reads from a place, and gives what was taken back where that is asked for', async () => {
    const lines = [line('a', 1), line('b', 2), line('a', undefined)];
    await fs.writeFile(file, lines.join(''));
    assert.equal((await replay({ startBytes: 3, takenBack: true })).badLines, 0);
    assert.deepEqual(
      taken.map(({ key, value }) => [key, value]),
      [
        ['b', 2],
        ['a', undefined],
      ],
    );
    await replay({ startBytes: 1_000_000 });
    assert.deepEqual(taken, []);
  });

  it('tells how far it is, gives facts bit by bit, and stops where it is told to', async () => {
    const count = 20_000;
    await fs.writeFile(
      file,
      Array.from({ length: count }, (_, n) => line(`key ${n}`, { filler: 'x'.repeat(50), n })).join(''),
    );
    const shares: number[] = [];
    let largest = 0;
    const take = (facts: readonly FactRecord[]): void => {
      largest = Math.max(largest, facts.length);
    };
    assert.equal((await replay({ take, onShare: (share) => shares.push(share) })).facts, count);
    assert.ok(largest < count / 2);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.ok((shares.at(-1) ?? 0) > 0.8);
    const early = await replay({ stopped: () => taken.length > 0 });
    assert.equal(early.whole, false);
    assert.ok(taken.length < count);
  });
});
