import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { createStoredManifests } from '../../src/pipeline/stored-manifests.js';
import { createMemoryStore, digestOfBytes } from '../support/memory-store.js';

const TYPE = 'application/vnd.oci.image.manifest.v1+json';
const layer = `sha256:${'1'.repeat(64)}` as Digest;
const config = `sha256:${'2'.repeat(64)}` as Digest;

function manifestBytes(extra: object = {}): Buffer {
  const descriptor = (digest: string) => ({ digest, size: 3, mediaType: 'application/x' });
  const document = { schemaVersion: 2, mediaType: TYPE, config: descriptor(config), layers: [descriptor(layer)] };
  return Buffer.from(JSON.stringify({ ...document, ...extra }));
}

describe('pipeline/stored-manifests', () => {
  it('reads what the store holds, under the type it was delivered as', async () => {
    const store = createMemoryStore();
    const bytes = manifestBytes();
    const digest = digestOfBytes(bytes);
    await store.put(digest, bytes, TYPE);
    const read = await createStoredManifests(store).read(digest);
    assert.deepEqual(
      read?.descriptors.map((descriptor) => descriptor.digest),
      [config, layer],
    );
  });

  it('gives nothing for what is not held, is a blob, or can be read in two ways', async () => {
    const store = createMemoryStore();
    const manifests = createStoredManifests(store);
    assert.equal(await manifests.read(layer), undefined);
    const asBlob = manifestBytes({ annotations: { a: 'b' } });
    await store.put(digestOfBytes(asBlob), asBlob, undefined);
    assert.equal(await manifests.read(digestOfBytes(asBlob)), undefined);
    const twofold = manifestBytes({ manifests: [] });
    await store.put(digestOfBytes(twofold), twofold, TYPE);
    assert.equal(await manifests.read(digestOfBytes(twofold)), undefined);
  });

  it('knows a verified manifest before it is stored', async () => {
    const manifests = createStoredManifests(createMemoryStore());
    const bytes = manifestBytes();
    manifests.add(digestOfBytes(bytes), bytes, TYPE);
    assert.equal((await manifests.read(digestOfBytes(bytes)))?.mediaType, TYPE);
  });

  it('tells how long the manifest is that was read', async () => {
    const manifests = createStoredManifests(createMemoryStore());
    const bytes = manifestBytes();
    assert.equal(manifests.add(digestOfBytes(bytes), bytes, TYPE)?.sizeBytes, bytes.length);
    assert.equal((await manifests.read(digestOfBytes(bytes)))?.sizeBytes, bytes.length);
  });

  it('gives nothing where the disk fails: that costs a question to the registry, and no pull', async () => {
    const failing = async () => {
      throw new Error('no disk');
    };
    const store = createMemoryStore();
    const bytes = manifestBytes();
    await store.put(digestOfBytes(bytes), bytes, TYPE);
    assert.equal(await createStoredManifests({ ...store, lookup: failing }).read(digestOfBytes(bytes)), undefined);
    assert.equal(await createStoredManifests({ ...store, readAll: failing }).read(digestOfBytes(bytes)), undefined);
  });

  it('forgets manifests that list much before they fill the memory', async () => {
    const manifests = createStoredManifests(createMemoryStore());
    const descriptor = { digest: layer, size: 3, mediaType: 'application/x' };
    const layers = Array.from({ length: 2_000 }, () => descriptor);
    const listed = Array.from({ length: 102 }, (_, i) => manifestBytes({ layers, annotations: { i: `${i}` } }));
    for (const bytes of listed) assert.ok(manifests.add(digestOfBytes(bytes), bytes, TYPE));
    const read = await Promise.all(listed.map((bytes) => manifests.read(digestOfBytes(bytes))));
    assert.deepEqual(
      read.flatMap((manifest, i) => (manifest === undefined ? [i] : [])),
      [0, 1, 2],
    );
  });
});
