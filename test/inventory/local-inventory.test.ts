import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import { createLocalInventory } from '../../src/inventory/local-inventory.js';
import type { Digest } from '../../src/oci/digest.js';
import { createStage, type Stage, UNTOUCHED } from './stage.js';

const ABSENT = `sha256:${'0'.repeat(64)}` as Digest;

describe('inventory/local-inventory', () => {
  let stage: Stage;
  beforeEach(() => {
    stage = createStage();
  });

  it('tells what the store comes to', async () => {
    await stage.put('a.test x', Buffer.alloc(70));
    const nothing = { bytes: 0, entries: 0 };
    const quiet = { damaged: 0, quarantine: nothing, kept: nothing };
    assert.deepEqual(await stage.operations.stats(), { bytes: 70, entries: 1, ...quiet });
    const space = { budgetBytes: 1e6, usedBytes: 5e5, budgetRoomBytes: 5e5, diskRoomBytes: 1e9 };
    const scrub = { share: 0.5, rounds: 1, checked: 2, bad: 0 };
    const parts = { ...stage, ...UNTOUCHED, verify: () => Promise.reject(new Error('unused')), pins: {} as never };
    const store = { ...stage.memory, usage: { bytes: 1, entries: 2 }, fault: 'no disk' };
    const whole = createLocalInventory({
      ...{ ...parts, store, scrub },
      measure: async () => space,
      tally: { evicted: { bytes: 9, entries: 3 }, lastEvictedAt: 1_000, damaged: 4 },
      quarantine: async () => ({ bytes: 8, entries: 2 }),
      kept: { bytes: 7, entries: 1 },
      rebuildShare: 0.25,
    });
    assert.deepEqual(await whole.stats(), {
      ...{ bytes: 1, entries: 2, takenBytes: 5e5, budgetBytes: 1e6, roomBytes: 5e5, scrub, fault: 'no disk' },
      ...{ evicted: { bytes: 9, entries: 3 }, lastEvictedAt: 1_000, damaged: 4, rebuildShare: 0.25 },
      ...{ quarantine: { bytes: 8, entries: 2 }, kept: { bytes: 7, entries: 1 } },
    });
  });

  it('tells no limit where there is none, and never less room than none', async () => {
    const space = { budgetBytes: 1e6, usedBytes: 5e5, budgetRoomBytes: 5e5, diskRoomBytes: -3 };
    const parts = {
      ...stage,
      ...UNTOUCHED,
      store: stage.memory,
      verify: () => Promise.reject(new Error('unused')),
      pins: {} as never,
    };
    const full = await createLocalInventory({ ...parts, measure: async () => space }).stats();
    assert.equal(full.roomBytes, 0);
    assert.deepEqual(full.evicted, { bytes: 0, entries: 0 });
    const endless = { ...space, budgetBytes: Number.POSITIVE_INFINITY, budgetRoomBytes: Number.POSITIVE_INFINITY };
    const boundless = await createLocalInventory({
      ...parts,
      measure: async () => ({ ...endless, diskRoomBytes: Number.POSITIVE_INFINITY }),
    }).stats();
    assert.equal(boundless.budgetBytes ?? boundless.takenBytes ?? boundless.roomBytes, undefined);
  });

  it('lists contents by size, use or digest, in pages', async () => {
    for (const size of [30, 10, 20]) {
      await stage.put('a.test x', Buffer.alloc(size));
      stage.time += 1;
    }
    const sizes = async (sort: 'size' | 'used' | 'digest'): Promise<number[]> => {
      const found: number[] = [];
      let cursor: string | undefined;
      do {
        const page = await stage.operations.blobs({ sort, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
        found.push(...page.blobs.map(({ sizeBytes }) => sizeBytes));
        cursor = page.next;
      } while (cursor !== undefined);
      return found;
    };
    assert.deepEqual(await sizes('size'), [30, 20, 10]);
    assert.deepEqual(await sizes('used'), [30, 10, 20]);
    assert.deepEqual(
      (await sizes('digest')).toSorted((a, b) => a - b),
      [10, 20, 30],
    );
  });

  it('refuses a cursor of another listing', async () => {
    for (const [sort, cursor] of [
      ['digest', '1 x'],
      ['digest', `1 ${ABSENT}`],
      ['size', ABSENT],
      ['size', 'x'],
      ['used', `1e9 ${ABSENT}`],
      ['used', '1 sha256:0'],
    ] as const) {
      await assert.rejects(stage.operations.blobs({ sort, cursor, limit: 1 }), ConfigError, cursor);
    }
  });

  it('tells of one content who delivered it', async () => {
    const { digest } = await stage.put('a.test x', Buffer.from('same'));
    await stage.put('b.test y', Buffer.from('same'));
    const blob = await stage.operations.blob(digest);
    assert.deepEqual(blob?.repositories, ['a.test/x', 'b.test/y']);
    assert.equal(blob?.sizeBytes, 4);
    assert.equal(await stage.operations.blob(ABSENT), undefined);
  });

  it('shows an image by tag and by digest, each part with who delivered it', async () => {
    const image = await stage.image('docker.io library/alpine', '3.20', ['base']);
    await stage.image('b.test y', 'v1', ['base']);
    const byTag = await stage.operations.image('alpine:3.20');
    assert.equal(byTag?.image, 'docker.io/library/alpine:3.20');
    const [config, layer] = byTag?.tree.parts ?? [];
    assert.deepEqual(config?.kind, 'config');
    assert.deepEqual(layer?.repositories, ['docker.io/library/alpine', 'b.test/y']);
    const byDigest = await stage.operations.image(`alpine@${image.digest}`);
    assert.deepEqual(byDigest?.tree, byTag?.tree);
    assert.equal(await stage.operations.image('alpine:3.21'), undefined);
    assert.equal(await stage.operations.image(`other@${image.digest}`), undefined);
  });

  it('removes by each kind of selection', async () => {
    const { operations } = stage;
    const { layers } = await stage.image('a.test x', 'v1', ['a']);
    await stage.image('a.test x', 'v2', ['b']);
    await stage.image('b.test y', 'v1', ['c']);
    const digest = layers[0]?.digest ?? ABSENT;
    assert.equal((await operations.remove({ digest }, false))?.removed.entries, 1);
    assert.equal((await operations.remove({ image: 'a.test/x:v1' }, false))?.removed.entries, 2);
    assert.equal((await operations.remove({ repository: 'a.test/x' }, false))?.removed.entries, 3);
    assert.equal((await operations.remove({ registry: 'b.test' }, true))?.removed.entries, 3);
    assert.equal((await operations.remove({ toBytes: 0 }, true))?.removed.entries, 3);
    stage.time += 10;
    assert.equal((await operations.remove({ unusedMs: 5 }, false))?.removed.entries, 3);
    assert.equal(await operations.remove({ digest: ABSENT }, false), undefined);
  });

  it('refuses selections that select nothing or contradict themselves', async () => {
    for (const selection of [
      {},
      { image: 'a.test/x:v1', registry: 'a.test' },
      { toBytes: 1, unusedMs: 1 },
      { toBytes: 1, registry: 'a.test' },
    ]) {
      await assert.rejects(stage.operations.remove(selection, false), ConfigError);
    }
  });

  it('verifies everything, one digest, or what is held of an image', async () => {
    const image = await stage.image('a.test x', 'v1', ['a', 'b']);
    await stage.memory.remove(image.layers[1]?.digest ?? ABSENT);
    const texts: string[] = [];
    const report = await stage.operations.verify({}, { onProgress: ({ text }) => texts.push(text) });
    assert.deepEqual(report, {
      checked: 2,
      checkedBytes: 30,
      bad: 0,
      missing: 0,
      unreadable: 0,
      badDigests: [],
      aborted: false,
    });
    assert.deepEqual(texts, ['2 checked']);
    assert.equal(await stage.operations.verify({ digest: ABSENT }), undefined);
    await stage.operations.verify({ digest: image.digest });
    await stage.operations.verify({ image: 'a.test/x:v1' });
    assert.equal(await stage.operations.verify({ image: 'a.test/x:v9' }), undefined);
    const held = [image.digest, image.config.digest, image.layers[0]?.digest];
    assert.deepEqual(stage.verified, [undefined, [image.digest], held]);
  });

  it('pins and unpins by digest and by image', async () => {
    const { operations } = stage;
    const image = await stage.image('a.test x', 'v1', ['a']);
    assert.equal((await operations.pin({ image: 'a.test/x:v1' }))?.digest, image.digest);
    assert.equal((await operations.pin({ digest: ABSENT }))?.digest, ABSENT);
    assert.equal(await operations.pin({ image: 'a.test/x:v2' }), undefined);
    const first = await operations.pins({ limit: 1 });
    assert.deepEqual(
      first.pins.map(({ digest }) => digest),
      [ABSENT],
    );
    const second = await operations.pins({ limit: 1, cursor: first.next ?? '' });
    assert.deepEqual(
      second.pins.map(({ digest }) => digest),
      [image.digest],
    );
    assert.deepEqual(await operations.unpin({ image: 'a.test/x:v1' }), { digest: image.digest });
    assert.equal(await operations.unpin({ image: 'a.test/x:v1' }), undefined);
    await assert.rejects(operations.pins({ limit: 1, cursor: 'x' }), ConfigError);
  });
});
