import assert from 'node:assert/strict';
import { createHotContent } from '../../src/cache/hot-content.js';
import { readWhole } from '../../src/cache/read-whole.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/hot-content', () => {
  const bytes = Buffer.from('some manifest');
  const digest = digestOfBytes(bytes);

  it('gives what was kept, from any offset and in pieces', async () => {
    const hot = createHotContent(10_000);
    hot.keep(digest, bytes);
    const reader = hot.open(digest);
    assert.ok(reader);
    assert.equal(reader.sizeBytes, bytes.length);
    assert.deepEqual(reader.whole, bytes);
    assert.deepEqual(await readWhole(reader), bytes);
    assert.equal(Buffer.from((await reader.read(5, 4))?.bytes ?? []).toString(), 'mani');
    assert.equal(await reader.read(bytes.length, 1), undefined);
  });

  it('gives nothing that it was told to drop', () => {
    const hot = createHotContent(10_000);
    hot.keep(digest, bytes);
    hot.drop(digest);
    assert.equal(hot.open(digest), undefined);
  });

  it('lets go of what was asked for longest ago when its memory is full', () => {
    const hot = createHotContent(5000);
    const contents = [1, 2, 3].map((n) => Buffer.alloc(1500, n));
    const digests = contents.map(digestOfBytes);
    contents.slice(0, 2).forEach((content, n) => hot.keep(digests[n] ?? digest, content));
    hot.open(digests[0] ?? digest);
    hot.keep(digests[2] ?? digest, contents[2] ?? bytes);
    assert.deepEqual(
      digests.map((one) => hot.open(one) !== undefined),
      [true, false, true],
    );
  });

  it('does not keep what is larger than its memory, and gives it once', async () => {
    const hot = createHotContent(1000);
    const large = Buffer.alloc(2000, 7);
    assert.deepEqual(await readWhole(hot.keep(digestOfBytes(large), large)), large);
    assert.equal(hot.open(digestOfBytes(large)), undefined);
  });
});
