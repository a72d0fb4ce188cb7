import assert from 'node:assert/strict';
import { readHeld } from '../../src/inventory/content-source.js';
import { createStage, OCI_INDEX } from './stage.js';

describe('inventory/content-source', () => {
  it('reads a stored manifest, and takes a blob or a broken one for none', async () => {
    const stage = createStage();
    const image = await stage.image('a.test x', '1', ['layer']);
    const broken = await stage.put('a.test x', Buffer.from('{"schemaVersion":1}'), OCI_INDEX);
    const read = async (digest: typeof image.digest) => {
      const entry = await stage.source.describe(digest);
      assert.ok(entry);
      return readHeld(stage.source, entry);
    };
    assert.equal((await read(image.digest))?.descriptors.length, 2);
    assert.equal(await read(image.config.digest), undefined);
    assert.equal(await read(broken.digest), undefined);
  });

  it('takes a manifest that is gone since for none', async () => {
    const stage = createStage();
    const image = await stage.image('a.test x', '1', ['layer']);
    const entry = await stage.source.describe(image.digest);
    assert.ok(entry);
    await stage.memory.remove(image.digest);
    assert.equal(await readHeld(stage.source, entry), undefined);
  });
});
