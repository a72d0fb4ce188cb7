import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { KEPT_SUFFIX, keptStem } from '../../src/cache/kept-names.js';
import { type KeptLimits, KeptSpools } from '../../src/cache/kept-spools.js';
import { RunningSums } from '../../src/cache/sums.js';
import { sampleBytes, sha256Of } from '../support/fake-fill.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const HOUR = 3_600_000;
const LIMITS: KeptLimits = { entries: 3, ageMs: 24 * HOUR };

describe('cache/kept-spools', () => {
  const body = sampleBytes(700_000);
  let folder: TempDir;
  let spool: string;
  let now: number;
  let kept: KeptSpools;
  let limitBytes: number;

  beforeEach(async () => {
    folder = await createTempDir();
    spool = path.join(folder.path, 'spool');
    await fs.mkdir(spool);
    now = Date.now();
    limitBytes = Number.POSITIVE_INFINITY;
    kept = open();
  });
  afterEach(() => folder.remove());

  function open(): KeptSpools {
    const options = { directory: folder.path, files: nodeFileSystem, limits: LIMITS, now: () => now };
    return new KeptSpools({ ...options, limitBytes: async () => limitBytes });
  }

  function stemOf(scope: string): string {
    return keptStem(sha256Of(body), scope);
  }

  /** Keeps the first bytes of the body. */
  async function keep(scope: string, sizeBytes = body.length): Promise<string> {
    const file = kept.newPath(stemOf(scope), 1_000_000);
    const bytes = body.subarray(0, sizeBytes);
    await fs.writeFile(file, bytes);
    const sums = new RunningSums();
    sums.update(bytes);
    const keeper = kept.keeperOf(file);
    await keeper.note(sizeBytes, sums.crcs());
    await keeper.keep();
    return file;
  }

  it('gives what was kept to the first who takes it, in its own scope', async () => {
    const file = await keep('one');
    assert.deepEqual(kept.usage, { bytes: body.length, entries: 1 });
    assert.equal(await kept.take(stemOf('two')), undefined);
    const prefix = await kept.take(stemOf('one'));
    assert.deepEqual(
      [prefix?.path, prefix?.sizeBytes, prefix?.expectedBytes, prefix?.keptAt],
      [file, body.length, 1_000_000, now],
    );
    assert.equal(prefix?.crcs.length, 3);
    assert.equal(await kept.take(stemOf('one')), undefined);
    assert.deepEqual(kept.usage, { bytes: 0, entries: 0 });
    await fs.access(file);
  });

  it('finds after a restart what was kept before', async () => {
    await keep('one');
    kept = open();
    await kept.load();
    assert.equal((await kept.take(stemOf('one')))?.sizeBytes, body.length);
  });

  it('I01 finds after a kill what was noted last', async () => {
    const file = kept.newPath(stemOf('one'), undefined);
    await fs.writeFile(file, body);
    const sums = new RunningSums();
    sums.update(body.subarray(0, 300_000));
    await kept.keeperOf(file).note(300_000, sums.crcs());
    kept = open();
    await kept.load();
    const prefix = await kept.take(stemOf('one'));
    assert.deepEqual([prefix?.sizeBytes, prefix?.expectedBytes], [300_000, undefined]);
  });

  it('sweeps at the start what cannot be used, and touches nothing else', async () => {
    const alone = kept.newPath(stemOf('without a note'), 5);
    await fs.writeFile(alone, body);
    const lost = await keep('without bytes');
    await fs.rm(lost);
    const short = await keep('shorter than noted');
    await fs.truncate(short, 1000);
    const torn = await keep('torn note');
    await fs.truncate(`${torn}${KEPT_SUFFIX}`, 20);
    await fs.writeFile(path.join(spool, 'stranger'), 'x');
    kept = open();
    const whole = await keep('whole');
    kept = open();
    await kept.load();
    const names = [path.basename(whole), `${path.basename(whole)}${KEPT_SUFFIX}`, 'stranger'];
    assert.deepEqual((await fs.readdir(spool)).toSorted(), names.toSorted());
    assert.equal(kept.usage.entries, 1);
  });

  it('keeps the newest, and no more than it may', async () => {
    for (const scope of ['a', 'b', 'c', 'd']) {
      now += HOUR;
      await keep(scope);
    }
    assert.equal(kept.usage.entries, 3);
    assert.equal((await fs.readdir(spool)).length, 6);
    kept = open();
    await kept.load();
    assert.equal(await kept.take(stemOf('a')), undefined);
    assert.ok(await kept.take(stemOf('d')));
  });

  it('keeps no more bytes than it may, the newest of them', async () => {
    limitBytes = 1_000_000;
    await keep('a', 400_000);
    await keep('b', 500_000);
    await keep('c', 300_000);
    assert.deepEqual(kept.usage, { bytes: 800_000, entries: 2 });
    assert.equal(await kept.take(stemOf('a')), undefined);
    assert.equal((await fs.readdir(spool)).length, 4);
    limitBytes = 400_000;
    kept = open();
    await kept.load();
    assert.deepEqual(kept.usage, { bytes: 300_000, entries: 1 });
    limitBytes = 0;
    await kept.expire();
    assert.deepEqual([kept.usage.entries, await fs.readdir(spool)], [0, []]);
  });

  it('gives up what is too large by itself, and not all others for it', async () => {
    limitBytes = 600_000;
    await keep('small', 300_000);
    await keep('large', 700_000);
    assert.deepEqual(kept.usage, { bytes: 300_000, entries: 1 });
    assert.ok(await kept.take(stemOf('small')));
  });

  it('counts what a file takes, of which not all is good', async () => {
    const file = kept.newPath(stemOf('one'), undefined);
    await fs.writeFile(file, body);
    const sums = new RunningSums();
    sums.update(body.subarray(0, 300_000));
    await kept.keeperOf(file).note(300_000, sums.crcs());
    limitBytes = 500_000;
    kept = open();
    await kept.load();
    assert.deepEqual(await fs.readdir(spool), []);
  });

  it('keeps the longer of two beginnings of the same', async () => {
    await keep('one', 500_000);
    await keep('one', 600_000);
    await keep('one', 400_000);
    assert.deepEqual(kept.usage, { bytes: 600_000, entries: 1 });
    assert.equal((await fs.readdir(spool)).length, 2);
  });

  for (const [what, ms] of [
    ['too long', 25 * HOUR],
    ['until a clock that went back', -25 * HOUR],
  ] as const) {
    it(`I16 removes what has waited ${what}`, async () => {
      await keep('one');
      now += ms;
      assert.equal(await kept.take(stemOf('one')), undefined);
      assert.deepEqual(await fs.readdir(spool), []);
      await keep('two');
      now -= 2 * ms;
      kept = open();
      await kept.load();
      assert.deepEqual(await fs.readdir(spool), []);
    });
  }

  it('removes everything where room is needed, and says how much it was', async () => {
    await keep('one');
    await keep('two', 300_000);
    assert.equal(await kept.clear(), body.length + 300_000);
    assert.deepEqual(await fs.readdir(spool), []);
    assert.deepEqual(kept.usage, { bytes: 0, entries: 0 });
  });

  it('forgets the note of what became content', async () => {
    const file = await keep('one');
    await kept.keeperOf(file).forget();
    assert.deepEqual(await fs.readdir(spool), [path.basename(file)]);
  });

  it('never rejects where the folder is gone', async () => {
    await fs.rm(spool, { recursive: true });
    await kept.load();
    assert.equal(await kept.take(stemOf('one')), undefined);
    await kept.keeperOf(kept.newPath(stemOf('one'), 1)).keep();
    assert.equal(kept.usage.entries, 0);
  });
});
