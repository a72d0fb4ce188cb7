import assert from 'node:assert/strict';
import { Links } from '../../src/access/links.js';
import { ProxyError } from '../../src/errors.js';
import type { RemovalReport, Selection } from '../../src/inventory/contract.js';
import { letGo, removeImages } from '../../src/inventory/remove-images.js';
import type { Digest } from '../../src/oci/digest.js';
import { createStage, HOUR, type Stage, type Stored } from './stage.js';

const ALPINE = 'docker.io library/alpine';
const QUAY = 'quay.io app/web';

describe('inventory/remove-images', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  async function remove(selection: Selection, dryRun = false): Promise<RemovalReport> {
    const report = await removeImages(stage, selection, dryRun, {});
    assert.ok(report);
    return report;
  }

  async function heldOf(contents: readonly Stored[]): Promise<boolean[]> {
    return Promise.all(contents.map(({ digest }) => stage.holds(digest)));
  }

  function outcomes({ items }: RemovalReport): Record<Digest, string> {
    return Object.fromEntries(items.map(({ digest, outcome }) => [digest, outcome]));
  }

  it('removes an image with all its parts, its tag and its links', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base', 'own']);
    const parts = [image, image.config, ...image.layers];
    const report = await remove({ image: 'docker.io/library/alpine:3.20' });
    assert.deepEqual(report.removed, { entries: 4, bytes: parts.reduce((sum, { bytes }) => sum + bytes.length, 0) });
    assert.equal(report.tags, 1);
    assert.deepEqual(await heldOf(parts), [false, false, false, false]);
    assert.equal(await stage.facts.get('tag', `${ALPINE}:3.20`), undefined);
    assert.deepEqual(await stage.facts.page('link', { limit: 10 }), []);
  });

  it('keeps layers that another image of the store holds, and names it', async () => {
    const one = await stage.image(ALPINE, '3.20', ['base', 'one']);
    const other = await stage.image(QUAY, 'v1', ['base', 'other']);
    const report = await remove({ image: 'alpine:3.20' });
    const [base, own] = one.layers;
    assert.ok(base && own);
    assert.deepEqual(report.shared, { entries: 1, bytes: base.bytes.length });
    assert.deepEqual(report.sharedWith, ['quay.io/app/web:v1']);
    assert.equal(report.items.find(({ digest }) => digest === base.digest)?.sharedWith, 'quay.io/app/web:v1');
    assert.deepEqual(await heldOf([one, one.config, own, base, other]), [false, false, false, true, true]);
    // What stays was delivered by both, and both may go on with it.
    const links = new Links({ rows: stage.facts, maxAgeMs: HOUR, now: () => stage.time });
    assert.deepEqual([...(await links.carriers(base.digest))].sort(), [ALPINE, QUAY]);
    assert.deepEqual(await links.carriers(own.digest), []);
  });

  it('keeps a whole image of the same digest elsewhere, and forgets it here', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    await stage.image(QUAY, 'copy', ['base']);
    const report = await remove({ image: 'alpine:3.20' });
    assert.equal(report.removed.entries, 0);
    assert.equal(report.shared.entries, 3);
    assert.equal(report.tags, 1);
    assert.deepEqual(report.sharedWith, ['quay.io/app/web:copy']);
    assert.equal(await stage.facts.get('link', `${ALPINE} ${image.digest}`), undefined);
    assert.notEqual(await stage.facts.get('link', `${QUAY} ${image.digest}`), undefined);
    assert.deepEqual(
      (await stage.operations.images({ limit: 9 })).images.map((one) => one.image),
      ['quay.io/app/web:copy'],
    );
  });

  it('keeps an image that another tag of the repository points to, with its link', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    await stage.tag(ALPINE, 'latest', image.digest);
    const report = await remove({ image: 'alpine:3.20' });
    assert.equal(report.removed.entries, 0);
    assert.deepEqual(report.sharedWith, ['docker.io/library/alpine:latest']);
    assert.notEqual(await stage.facts.get('link', `${ALPINE} ${image.digest}`), undefined);
    assert.equal(await stage.facts.get('tag', `${ALPINE}:3.20`), undefined);
  });

  it('keeps everything below a child that another index lists', async () => {
    const shared = await stage.image(ALPINE, undefined, ['base']);
    const alone = await stage.image(ALPINE, undefined, ['alone'], 'linux/arm64');
    const going = await stage.index(ALPINE, 'old', [shared, alone]);
    const staying = await stage.index(ALPINE, 'new', [shared]);
    const report = await remove({ image: 'alpine:old' });
    assert.deepEqual(await heldOf([going, alone, ...alone.layers]), [false, false, false]);
    assert.deepEqual(await heldOf([staying, shared, shared.config, ...shared.layers]), [true, true, true, true]);
    assert.deepEqual(report.sharedWith, ['docker.io/library/alpine:new']);
    assert.notEqual(await stage.facts.get('link', `${ALPINE} ${shared.digest}`), undefined);
  });

  it('keeps what is pinned, and its tag', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    for (const { digest } of [image, image.config, ...image.layers]) stage.pins.add(digest);
    const report = await remove({ repository: 'alpine' });
    assert.equal(report.pinned.entries, 3);
    assert.equal(report.removed.entries, 0);
    assert.equal(report.tags, 0);
    assert.notEqual(await stage.facts.get('tag', `${ALPINE}:3.20`), undefined);
  });

  it('removes all of a repository, and nothing of one whose name begins alike', async () => {
    const one = await stage.image(ALPINE, '3.19', ['base', 'a']);
    const two = await stage.image(ALPINE, undefined, ['base', 'b']);
    const other = await stage.image(`${ALPINE}-git`, '1', ['c']);
    const report = await remove({ repository: 'docker.io/library/alpine' });
    assert.equal(report.removed.entries, 7);
    assert.equal(report.shared.entries, 0);
    assert.deepEqual(await heldOf([one, two, other]), [false, false, true]);
    const rows = await stage.facts.page('link', { prefix: `${ALPINE} `, limit: 10 });
    assert.deepEqual(rows, []);
  });

  it('removes all of a registry, whatever its repositories', async () => {
    await stage.image(ALPINE, '3.20', ['base']);
    await stage.image('docker.io other/app', '1', ['base', 'x']);
    const other = await stage.image(QUAY, 'v1', ['y']);
    const report = await remove({ registry: 'docker.io' });
    assert.equal(report.tags, 2);
    assert.deepEqual(await heldOf([other]), [true]);
    assert.equal(stage.memory.usage.entries, 3);
  });

  it('removes only what was unused for long enough where an age is given', async () => {
    const image = await stage.image(ALPINE, '3.20', ['old', 'young']);
    stage.time += 48 * HOUR;
    const [old, young] = image.layers;
    assert.ok(old && young);
    for (const { digest } of [image, image.config, young]) stage.use(digest);
    const report = await remove({ repository: 'alpine', unusedMs: 24 * HOUR });
    assert.deepEqual(outcomes(report)[old.digest], 'removed');
    assert.equal(report.used.entries, 3);
    assert.equal(report.tags, 0);
  });

  it('keeps the tag of an image that is used, where an age is given, although another has the same', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    await stage.image(QUAY, 'v1', ['base']);
    stage.time += 48 * HOUR;
    for (const { digest } of [image, image.config, ...image.layers]) stage.use(digest);
    const report = await remove({ registry: 'docker.io', unusedMs: 24 * HOUR });
    assert.deepEqual([report.used.entries, report.shared.entries, report.tags], [3, 0, 0]);
    assert.notEqual(await stage.facts.get('tag', `${ALPINE}:3.20`), undefined);
    const links = new Links({ rows: stage.facts, maxAgeMs: 1_000 * HOUR, now: () => stage.time });
    assert.deepEqual([...(await links.carriers(image.digest))].sort(), [ALPINE, QUAY]);
  });

  it('changes nothing in a dry run, and says what it would', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    await stage.image(QUAY, 'v1', ['base']);
    const before = await stage.facts.page('link', { limit: 100 });
    const dry = await remove({ image: 'alpine:3.20' }, true);
    assert.equal(dry.dryRun, true);
    assert.deepEqual(await stage.facts.page('link', { limit: 100 }), before);
    assert.deepEqual(await heldOf([image]), [true]);
    const { dryRun: _, ...wet } = await remove({ image: 'alpine:3.20' });
    assert.deepEqual({ ...wet, dryRun: true }, dry);
  });

  it('knows nothing of what was never pulled', async () => {
    await stage.image(ALPINE, '3.20', ['base']);
    const absent = `sha256:${'0'.repeat(64)}`;
    for (const selection of [
      { image: 'alpine:3.21' },
      { image: `alpine@${absent}` },
      { repository: 'library/alpin' },
      { registry: 'docker.i' },
    ]) {
      assert.equal(await removeImages(stage, selection, false, {}), undefined, JSON.stringify(selection));
    }
    // Held, but no image of this repository.
    const other = await stage.image(QUAY, undefined, ['x']);
    assert.equal(await removeImages(stage, { image: `alpine@${other.digest}` }, false, {}), undefined);
  });

  it('tells what was removed until it was interrupted, and finds the rest at the next try', async () => {
    const layers = Array.from({ length: 100 }, (_, n) => `layer ${n}`);
    await stage.image(ALPINE, '3.20', layers);
    const ending = new AbortController();
    const removing = { ...stage.store, remove: stage.store.remove };
    let count = 0;
    removing.remove = async (digest) => {
      count += 1;
      if (count === 3) ending.abort();
      return stage.store.remove(digest);
    };
    const first = await removeImages({ ...stage, store: removing }, { image: 'alpine:3.20' }, false, {
      signal: ending.signal,
    });
    assert.equal(first?.aborted, true);
    assert.equal(first?.removed.entries, 64);
    assert.notEqual(await stage.facts.get('tag', `${ALPINE}:3.20`), undefined);
    assert.equal((await remove({ image: 'alpine:3.20' })).removed.entries, 38);
    assert.equal(stage.memory.usage.entries, 0);
  });

  it('counts what the disk would not let go, and keeps its tag', async () => {
    const image = await stage.image(ALPINE, '3.20', ['base']);
    const store = { remove: () => Promise.reject(new ProxyError('store', 'read-only')) };
    const report = await removeImages({ ...stage, store }, { image: 'alpine:3.20' }, false, {});
    assert.equal(report?.failed.entries, 3);
    assert.equal(report?.tags, 0);
    assert.equal(await letGo({ store, facts: stage.facts }, image.digest), 'failed');
    assert.notEqual(await stage.facts.get('link', `${ALPINE} ${image.digest}`), undefined);
  });

  it('tells how far it is, with numbers that only grow', async () => {
    await stage.image(ALPINE, '3.20', ['a', 'b', 'c']);
    await stage.image(QUAY, 'v1', ['d']);
    const shares: number[] = [];
    await removeImages(stage, { registry: 'docker.io' }, false, { onProgress: ({ share = 0 }) => shares.push(share) });
    assert.ok(shares.length > 1);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.equal(shares.at(-1), 1);
  });
});
