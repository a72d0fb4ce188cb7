import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { ContentCheck, Verdict } from '../../src/cache/content-check.js';
import { contentPath } from '../../src/cache/content-paths.js';
import { walkedShare, walkOrder } from '../../src/cache/content-walk.js';
import { type Scrub, type ScrubOptions, startScrub } from '../../src/cache/scrub.js';
import type { Digest } from '../../src/oci/digest.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const DAY_MS = 86_400_000;
const ROUND_MS = 30 * DAY_MS;

/** A scrubber whose clock moves only by its own waiting. */
describe('cache/scrub', () => {
  let folder: TempDir;
  let stored: Digest[];
  let clock: number;
  let busy: boolean;
  let checked: { readonly digest: Digest; readonly at: number }[];
  let verdicts: Map<Digest, Verdict>;
  let running: Scrub[];

  beforeEach(async () => {
    folder = await createTempDir();
    clock = 1_000;
    busy = false;
    checked = [];
    verdicts = new Map();
    running = [];
    stored = Array.from(
      { length: 60 },
      (_, n) => `sha256:${createHash('sha256').update(String(n)).digest('hex')}` as Digest,
    ).sort((a, b) => (walkOrder(a) < walkOrder(b) ? -1 : 1));
    for (const digest of stored) {
      const file = contentPath(folder.path, digest);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, '');
    }
  });
  afterEach(async () => {
    for (const scrub of running) await scrub.close();
    await folder.remove();
  });

  const check: ContentCheck = async (digest, pace) => {
    checked.push({ digest, at: clock });
    await pace?.(1_000);
    return { verdict: verdicts.get(digest) ?? 'good', bytes: 1_000 };
  };

  /** Runs until `enough`, and stands still then. */
  function scrubUntil(enough: () => boolean, more: Partial<ScrubOptions> = {}): Promise<Scrub> {
    return new Promise((resolve) => {
      const scrub = startScrub({
        directory: folder.path,
        check,
        roundMs: ROUND_MS,
        storedBytes: () => 60_000,
        isBusy: () => busy,
        now: () => clock,
        wait: async (ms, signal) => {
          if (enough()) {
            resolve(scrub);
            await new Promise((_, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
              if (signal.aborted) reject(signal.reason as Error);
            });
          }
          clock += ms;
        },
        ...more,
      });
      running.push(scrub);
    });
  }

  it('checks everything once a round, each file at its time in the round', async () => {
    const scrub = await scrubUntil(() => checked.length >= 90);
    assert.deepEqual(
      checked.slice(0, 60).map(({ digest }) => digest),
      stored,
    );
    for (const { digest, at } of checked.slice(0, 60)) {
      assert.ok(Math.abs(at - 1_000 - ROUND_MS * walkedShare(digest)) < 1_000, `${digest} at ${at}`);
    }
    assert.equal(checked[60]?.digest, stored[0]);
    assert.ok((checked[60]?.at ?? 0) >= 1_000 + ROUND_MS);
    assert.equal(scrub.progress.rounds, 1);
    assert.equal(scrub.progress.checked, 89);
    assert.equal(scrub.progress.checkedBytes, 89_000);
    assert.ok(Math.abs(scrub.progress.share - 0.5) < 0.2);
  });

  it('goes on after a restart where it was, at the same pace', async () => {
    const first = await scrubUntil(() => checked.length >= 25);
    await first.close();
    const done = first.progress.checked;
    clock += 5 * DAY_MS;
    const from = clock;
    checked = [];
    await scrubUntil(() => checked.length >= 10);
    assert.deepEqual(
      checked.map(({ digest }) => digest),
      stored.slice(done, done + 10),
    );
    const [next] = checked;
    assert.ok(next);
    const gap = ROUND_MS * (walkedShare(next.digest) - walkedShare(stored[done - 1] as Digest));
    assert.ok(Math.abs(next.at - from - gap) < 1_000);
  });

  it('keeps its position while it runs, for a kill', async () => {
    await scrubUntil(() => checked.length >= 25);
    checked = [];
    await scrubUntil(() => checked.length >= 1);
    assert.ok(stored.indexOf(checked[0]?.digest as Digest) >= 23);
  });

  it('reads slower while clients are served', async () => {
    const steps: number[] = [];
    const big: ContentCheck = async (_digest, pace) => {
      const before = clock;
      await pace?.(256 * 1024);
      steps.push(clock - before);
      busy = true;
      return { verdict: 'good', bytes: 0 };
    };
    await scrubUntil(() => steps.length >= 2, { check: big });
    assert.equal(steps[1], 8 * (steps[0] ?? 0));
    assert.ok((steps[0] ?? 0) > 0);
  });

  it('reads faster where a round would otherwise not be through in time', async () => {
    const steps: number[] = [];
    const big: ContentCheck = async (_digest, pace) => {
      const before = clock;
      await pace?.(1_000_000_000);
      steps.push(clock - before);
      return { verdict: 'good', bytes: 0 };
    };
    await scrubUntil(() => steps.length >= 1, { check: big, storedBytes: () => 60_000_000_000, roundMs: 3_600_000 });
    assert.ok((steps[0] ?? 0) <= 3_600_000 / 60);
  });

  it('counts what is bad, and goes on', async () => {
    verdicts.set(stored[3] as Digest, 'bad');
    verdicts.set(stored[4] as Digest, 'missing');
    const scrub = await scrubUntil(() => checked.length >= 10);
    assert.equal(scrub.progress.bad, 1);
    assert.equal(scrub.progress.checked, 8);
  });

  it('waits in an empty folder, and ends when it is closed', async () => {
    await fs.rm(path.join(folder.path, 'blobs'), { recursive: true });
    const scrub = startScrub({
      directory: folder.path,
      check,
      roundMs: ROUND_MS,
      storedBytes: () => 0,
      isBusy: () => false,
    });
    await scrub.close();
    assert.deepEqual(checked, []);
  });
});
