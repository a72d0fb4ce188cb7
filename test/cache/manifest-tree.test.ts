import assert from 'node:assert/strict';
import { addTree } from '../../src/cache/manifest-tree.js';
import type { Digest } from '../../src/oci/digest.js';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { createMemoryStore, digestOfBytes } from '../support/memory-store.js';

describe('cache/manifest-tree', () => {
  const store = createMemoryStore();
  const source = {
    find: (digest: Digest) => store.lookup(digest),
    readAll: (digest: Digest, limitBytes: number) => store.readAll(digest, limitBytes),
  };
  const blob = (text: string) => ({ mediaType: 'x/y', digest: digestOfBytes(Buffer.from(text)), size: text.length });

  async function put(document: object, mediaType: string): Promise<Digest> {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
    return (await store.put(digestOfBytes(bytes), bytes, mediaType)).digest;
  }

  async function tree(root: Digest): Promise<Set<Digest>> {
    const found = new Set<Digest>();
    await addTree(source, root, found);
    return found;
  }

  it('adds an index, its manifests and what they list; of a manifest that is not held, the manifest', async () => {
    const [config, layer] = [blob('config'), blob('layer')];
    const manifest = await put({ config, layers: [layer] }, OCI_MANIFEST);
    const absent = blob('a manifest that is not held').digest;
    const manifests = [manifest, absent].map((digest) => ({ mediaType: OCI_MANIFEST, digest, size: 1 }));
    const index = await put({ manifests }, OCI_INDEX);
    assert.deepEqual(await tree(index), new Set([index, manifest, absent, config.digest, layer.digest]));
    assert.deepEqual(await tree(manifest), new Set([manifest, config.digest, layer.digest]));
  });

  it('adds a blob, or what is not held, by itself', async () => {
    const { digest } = await store.put(blob('b').digest, Buffer.from('b'), undefined);
    assert.deepEqual(await tree(digest), new Set([digest]));
    const absent = blob('absent').digest;
    assert.deepEqual(await tree(absent), new Set([absent]));
  });

  it('adds a manifest that cannot be read by itself', async () => {
    const unreadable = await put({ layers: 'x' }, OCI_MANIFEST);
    assert.deepEqual(await tree(unreadable), new Set([unreadable]));
  });

  it('goes four levels deep', async () => {
    let digest = blob('deepest').digest;
    const chain = [digest];
    for (let level = 0; level < 6; level += 1) {
      digest = await put({ manifests: [{ mediaType: OCI_INDEX, digest, size: 1 }] }, OCI_INDEX);
      chain.unshift(digest);
    }
    assert.deepEqual(await tree(digest), new Set(chain.slice(0, 5)));
  });
});
