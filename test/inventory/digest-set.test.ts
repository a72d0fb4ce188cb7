import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createDigestSet } from '../../src/inventory/digest-set.js';
import { type Digest, digestOf } from '../../src/oci/digest.js';

function digestNumber(n: number): Digest {
  return digestOf('sha256', createHash('sha256').update(String(n)).digest('hex'));
}

describe('inventory/digest-set', () => {
  it('holds what was added and nothing else', () => {
    const set = createDigestSet();
    for (let n = 0; n < 20_000; n += 1) set.add(digestNumber(n));
    set.add(digestNumber(0));
    assert.equal(set.size, 20_000);
    for (let n = 0; n < 20_000; n += 1) assert.ok(set.has(digestNumber(n)));
    for (let n = 20_000; n < 40_000; n += 1) assert.ok(!set.has(digestNumber(n)));
  });

  it('tells digests apart that differ within their first 52 bits', () => {
    const set = createDigestSet();
    set.add(digestOf('sha256', `000000000000a${'0'.repeat(51)}`));
    assert.ok(!set.has(digestOf('sha256', `000000000000b${'0'.repeat(51)}`)));
    assert.ok(!set.has(digestOf('sha512', `100000000000a${'0'.repeat(115)}`)));
  });
});
