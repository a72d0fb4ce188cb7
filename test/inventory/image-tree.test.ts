import assert from 'node:assert/strict';
import type { ImageNode } from '../../src/inventory/contract.js';
import { partsOf, readTree } from '../../src/inventory/image-tree.js';
import { createStage, descriptorOf, OCI_INDEX, OCI_MANIFEST, type Stored } from './stage.js';

const SCOPE = 'a.test x';

/** A tree as lines. */
function shown(node: ImageNode, depth = 0): string[] {
  const { kind, platform = '', held } = node;
  const line = `${'  '.repeat(depth)}${kind}${platform === '' ? '' : ` ${platform}`}${held ? '' : ' (not held)'}`;
  return [line, ...(node.parts ?? []).flatMap((part) => shown(part, depth + 1))];
}

describe('inventory/image-tree', () => {
  it('shows an index down to the layers, and what of it is not held', async () => {
    const stage = createStage();
    const amd64 = await stage.image(SCOPE, undefined, ['base', 'amd64']);
    const arm64 = await stage.image(SCOPE, undefined, ['arm64'], 'linux/arm64');
    const index = await stage.index(SCOPE, 'v1', [amd64, arm64]);
    await stage.memory.remove(arm64.digest);
    await stage.memory.remove(amd64.layers[1]?.digest ?? amd64.digest);
    const tree = await readTree(stage.source, index.digest);
    assert.ok(tree);
    assert.deepEqual(shown(tree.root), [
      'index',
      '  manifest linux/amd64',
      '    config',
      '    layer',
      '    layer (not held)',
      '  manifest linux/arm64 (not held)',
    ]);
    assert.equal(tree.truncated, false);
    assert.equal(tree.root.parts?.[1]?.sizeBytes, arm64.bytes.length);
  });

  it('takes the platform of a single image from its configuration', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, '1', ['base'], 'windows/amd64');
    assert.equal((await readTree(stage.source, image.digest))?.root.platform, 'windows/amd64');
    await stage.memory.remove(image.config.digest);
    assert.equal((await readTree(stage.source, image.digest))?.root.platform, undefined);
  });

  it('counts a part once that is listed twice', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, '1', ['same', 'same']);
    const tree = await readTree(stage.source, image.digest);
    assert.ok(tree);
    assert.equal(tree.root.parts?.length, 3);
    assert.equal(partsOf(tree.root).length, 3);
  });

  it('has no tree of what is not held', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, '1', ['base']);
    await stage.memory.remove(image.digest);
    assert.equal(await readTree(stage.source, image.digest), undefined);
  });

  it('shows 5,000 parts at most, and says that there are more', async () => {
    const stage = createStage();
    const layer = await stage.put(SCOPE, Buffer.from('layer'));
    const layers = Array.from({ length: 2_000 }, () => descriptorOf(layer));
    const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: descriptorOf(layer), layers };
    const images: object[] = [];
    for (const n of [1, 2, 3]) {
      images.push(descriptorOf(await stage.document(SCOPE, { ...image, annotations: { n: String(n) } }, OCI_MANIFEST)));
    }
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: images };
    const top = await stage.document(SCOPE, index, OCI_INDEX);
    const tree = await readTree(stage.source, top.digest);
    assert.equal(tree && shown(tree.root).length, 5_001);
    assert.equal(tree?.truncated, true);
  });

  it('follows indexes in indexes four levels deep', async () => {
    const stage = createStage();
    let top: Stored = await stage.image(SCOPE, undefined, ['base']);
    for (let n = 0; n < 6; n += 1) {
      const manifests = [{ ...descriptorOf(top), annotations: { level: String(n) } }];
      top = await stage.document(SCOPE, { schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX);
    }
    const tree = await readTree(stage.source, top.digest);
    assert.ok(tree);
    assert.equal(shown(tree.root).length, 5);
  });
});
