import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { FactStore } from '../../src/cache/contract.js';
import { createPins, type PinBoard } from '../../src/cache/pins.js';
import type { Digest } from '../../src/oci/digest.js';
import { parseImagePattern } from '../../src/oci/image-pattern.js';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { createCacheFolder } from '../support/cache-folder.js';
import { createGate, isPending } from '../support/flight-harness.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { createMemoryStore, digestOfBytes } from '../support/memory-store.js';

const digestFor = (text: string): Digest => digestOfBytes(Buffer.from(text));

describe('cache/pins', () => {
  let facts: FactStore;
  let store: ReturnType<typeof createMemoryStore>;
  let pinned: ReadonlySet<Digest>;
  let readings: number;

  beforeEach(() => {
    facts = createMemoryFacts();
    store = createMemoryStore();
    pinned = new Set();
    readings = 0;
  });

  function board(...patterns: string[]): PinBoard {
    return createPins({
      facts,
      source: { find: (digest) => store.lookup(digest), readAll: (digest, limit) => store.readAll(digest, limit) },
      patterns: patterns.map(parseImagePattern),
      onRead(all) {
        pinned = all;
        readings += 1;
      },
    });
  }

  async function put(document: object, mediaType: string): Promise<Digest> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
    return (await store.put(digestOfBytes(bytes), bytes, mediaType)).digest;
  }

  const listed = (text: string, mediaType = 'x/y') => ({ mediaType, digest: digestFor(text), size: 1 });
  const image = (name: string) => ({ config: listed(`${name} config`), layers: [listed(`${name} layer`)] });

  it('has whoever asks during a reading wait for it', async () => {
    const reading = createGate();
    const page = facts.page.bind(facts);
    await facts.set('pin', digestFor('a'), { tree: false, at: 1 });
    facts.page = async (kind, query) => {
      await reading.opened;
      return page(kind, query);
    };
    const pins = board();
    const first = pins.refresh();
    const second = pins.refresh().then(() => pinned.has(digestFor('a')));
    assert.equal(await isPending(second), true);
    reading.open();
    assert.equal(await second, true);
    await first;
    assert.equal(readings, 1);
  });

  it('reads again after a reading that failed', async () => {
    const page = facts.page.bind(facts);
    facts.page = () => Promise.reject(new Error('EIO'));
    const pins = board();
    await assert.rejects(pins.refresh(), /EIO/);
    facts.page = page;
    await pins.refresh();
    assert.equal(readings, 1);
  });

  it('pins a digest until it is unpinned, held or not', async () => {
    const pins = board();
    await pins.pin(digestFor('a'), false);
    assert.equal(await pins.isPinned(digestFor('a')), true);
    assert.deepEqual(pinned, new Set([digestFor('a')]));
    assert.equal(await pins.unpin(digestFor('a')), true);
    assert.equal(await pins.unpin(digestFor('a')), false);
    assert.equal(await pins.isPinned(digestFor('a')), false);
    assert.deepEqual(pinned, new Set());
  });

  it('pins an image with all that it lists, and what of that comes later', async () => {
    const manifestBytes = JSON.stringify({ schemaVersion: 2, ...image('late') });
    const index = await put({ manifests: [listed(manifestBytes, OCI_MANIFEST)] }, OCI_INDEX);
    const pins = board();
    await pins.pin(index, true);
    assert.deepEqual(pinned, new Set([index, digestFor(manifestBytes)]));
    await store.put(digestFor(manifestBytes), Buffer.from(manifestBytes), OCI_MANIFEST);
    pins.noteManifest();
    assert.equal(await pins.isPinned(digestFor('late layer')), true);
    assert.equal(pinned.size, 4);
  });

  it('keeps pinned as a part of one image what is unpinned with another', async () => {
    const manifest = await put(image('shared'), OCI_MANIFEST);
    const pins = board();
    await pins.pin(manifest, true);
    await pins.pin(digestFor('shared layer'), false);
    await pins.unpin(digestFor('shared layer'));
    assert.equal(await pins.isPinned(digestFor('shared layer')), true);
  });

  it('lists pins by digest, a page at a time', async () => {
    const pins = board();
    const digests = ['a', 'b', 'c'].map(digestFor).toSorted();
    for (const digest of digests) await pins.pin(digest, digest === digests[1]);
    await facts.set('pin', 'nonsense', { tree: false, at: 1 });
    const page = await pins.list({ limit: 2, after: digests[0] ?? '' });
    assert.deepEqual(
      page.map(({ digest, tree }) => [digest, tree]),
      [
        [digests[1], true],
        [digests[2], false],
      ],
    );
  });

  it('pins whatever a repository of a pattern delivered, for as long as that is known', async () => {
    const link = { deliveredAt: 1, confirmedAt: 1 };
    await facts.set('link', `registry.k8s.io pause ${digestFor('pause')}`, link);
    await facts.set('link', `registry.k8s.io pause-arm?ns=registry.k8s.io ${digestFor('arm')}`, link);
    await facts.set('link', `registry.k8s.io coredns ${digestFor('coredns')}`, link);
    await facts.set('link', digestFor('coredns'), ['registry.k8s.io pause']);
    const pins = board('registry.k8s.io/pause*');
    await pins.refresh();
    assert.deepEqual(pinned, new Set([digestFor('pause'), digestFor('arm')]));
    await facts.delete('link', `registry.k8s.io pause ${digestFor('pause')}`);
    pins.noteFact('link', `registry.k8s.io pause ${digestFor('pause')}`);
    assert.equal(await pins.isPinned(digestFor('pause')), false);
  });

  it('pins the tree of a tag that a pattern names, as the tag moves', async () => {
    const [old, young] = [await put(image('old'), OCI_MANIFEST), await put(image('young'), OCI_MANIFEST)];
    await facts.set('tag', 'docker.io library/alpine:3.20', { digest: old, at: 1 });
    await facts.set('tag', 'docker.io library/alpine:edge', { digest: digestFor('edge'), at: 1 });
    const pins = board('docker.io/library/alpine:3.*');
    await pins.refresh();
    assert.deepEqual(pinned, new Set([old, digestFor('old config'), digestFor('old layer')]));
    await facts.set('tag', 'docker.io library/alpine:3.20', { digest: young, at: 2 });
    pins.noteFact('tag', 'docker.io library/alpine:3.20');
    assert.equal(await pins.isPinned(digestFor('young layer')), true);
    assert.equal(await pins.isPinned(old), false);
  });

  it('reads anew only when something about pins has changed', async () => {
    const pins = board('registry.k8s.io/pause*');
    await pins.refresh();
    await pins.refresh();
    pins.noteFact('link', 'docker.io library/alpine sha256:x');
    pins.noteFact('tag', 'registry.k8s.io pause:3.9');
    pins.noteManifest();
    await pins.refresh();
    assert.equal(readings, 1);
    pins.noteFact('link', 'registry.k8s.io pause sha256:x');
    await pins.refresh();
    assert.equal(readings, 2);
  });

  it('survives the loss of the index', async () => {
    const folder = await createCacheFolder();
    try {
      const cache = await folder.open();
      await cache.pins.pin(digestFor('a'), true);
      await cache.close();
      await fs.rm(path.join(folder.directory, 'index.v1.sqlite'));
      const again = await folder.open();
      await again.rebuilt;
      assert.equal(await again.pins.isPinned(digestFor('a')), true);
    } finally {
      await folder.dispose();
    }
  });
});
