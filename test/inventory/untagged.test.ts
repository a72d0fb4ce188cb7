import assert from 'node:assert/strict';
import type { ContentSource } from '../../src/inventory/content-source.js';
import { untaggedRoots } from '../../src/inventory/untagged.js';
import { createStage } from './stage.js';

const SCOPE = 'a.test x';

describe('inventory/untagged', () => {
  it('finds what was pulled by digest, but no children and nothing that has a tag', async () => {
    const stage = createStage();
    const child = await stage.image(SCOPE, undefined, ['a']);
    const index = await stage.index(SCOPE, undefined, [child]);
    await stage.image(SCOPE, 'v1', ['b']);
    const single = await stage.image(SCOPE, undefined, ['c']);
    await stage.image(`${SCOPE}-other`, undefined, ['d']);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [index.digest, single.digest].sort());
  });

  it('finds what a tag has left behind', async () => {
    const stage = createStage();
    const old = await stage.image(SCOPE, 'v1', ['a']);
    await stage.image(SCOPE, 'v1', ['b']);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [old.digest]);
  });

  it('is not misled by the tag of a repository whose name begins alike', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, undefined, ['a']);
    await stage.facts.set('tag', `${SCOPE}:5000/y:v1`, { digest: image.digest });
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [image.digest]);
  });

  it('looks through ten thousand links and no more', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, undefined, ['a']);
    for (let n = 0; n < 9_997; n += 1) {
      await stage.facts.set('link', `${SCOPE} sha256:${n.toString(16).padStart(64, '0')}`, {});
    }
    const rows = await stage.facts.page('link', { prefix: `${SCOPE} `, limit: 20_000 });
    assert.equal(rows.length, 10_000);
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), [image.digest]);
    await stage.facts.set('link', `${SCOPE} sha256:${'e'.repeat(64)}`, {});
    assert.deepEqual(await untaggedRoots(stage.source, stage.facts, SCOPE), []);
  });

  it('reads no more than 64 MiB of manifests', async () => {
    const stage = createStage();
    const image = await stage.image(SCOPE, undefined, ['a']);
    const reads: string[] = [];
    const source: ContentSource = {
      describe: async (digest) => {
        const entry = await stage.source.describe(digest);
        return entry && { ...entry, sizeBytes: 4 * 1024 * 1024, mediaType: image.mediaType };
      },
      peek: async (digest, limitBytes) => {
        reads.push(digest);
        return stage.source.peek(digest, limitBytes);
      },
    };
    for (let n = 0; n < 40; n += 1) await stage.put(SCOPE, Buffer.from(`manifest ${n}`));
    assert.deepEqual(await untaggedRoots(source, stage.facts, SCOPE), []);
    assert.equal(reads.length, 16);
  });
});
