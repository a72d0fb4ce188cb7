import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { digestAlgorithm, digestHex, digestOf, parseDigest } from '../../src/oci/digest.js';

const HEX256 = createHash('sha256').update('x').digest('hex');
const HEX512 = createHash('sha512').update('x').digest('hex');

describe('oci/digest', () => {
  for (const [algorithm, hex] of [
    ['sha256', HEX256],
    ['sha512', HEX512],
  ] as const) {
    it(`takes ${algorithm} apart and puts it together`, () => {
      const digest = parseDigest(`${algorithm}:${hex}`);
      assert.ok(digest !== undefined);
      assert.equal(digestAlgorithm(digest), algorithm);
      assert.equal(digestHex(digest), hex);
      assert.equal(digestOf(algorithm, hex), digest);
    });
  }

  for (const text of [
    '',
    HEX256,
    `sha256:${HEX256.toUpperCase()}`,
    `SHA256:${HEX256}`,
    `sha256:${HEX256.slice(1)}`,
    `sha256:${HEX256}0`,
    `sha256:${HEX256}\n`,
    `sha512:${HEX256}`,
    `sha256:${HEX512}`,
    `md5:${HEX256.slice(32)}`,
    'sha256:../../etc/passwd',
    'sha256:__proto__',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.equal(parseDigest(text), undefined);
    });
  }
});
