import assert from 'node:assert/strict';
import { contentPath, digestOfFile, newQuarantinePath, newSpoolPath, sumsPath } from '../../src/cache/content-paths.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/content-paths', () => {
  const digest = digestOfBytes(Buffer.from('abc'));
  const hex = digest.slice(7);

  it('puts content below its algorithm and first two digits, with the sums beside it', () => {
    assert.equal(contentPath('/data', digest), `/data/blobs/sha256/ba/${hex}`);
    assert.equal(sumsPath('/data', digest), `/data/blobs/sha256/ba/${hex}.sum`);
  });

  it('finds the digest of a content file and of nothing else', () => {
    assert.equal(digestOfFile('sha256', 'ba', hex), digest);
    assert.equal(digestOfFile('sha256', 'ba', `${hex}.sum`), undefined);
    assert.equal(digestOfFile('sha256', 'bb', hex), undefined);
    assert.equal(digestOfFile('sha512', 'ba', hex), undefined);
    assert.equal(digestOfFile('sha256', 'ba', hex.toUpperCase()), undefined);
  });

  it('never uses a name of the spool or of the quarantine twice', () => {
    assert.notEqual(newSpoolPath('/data'), newSpoolPath('/data'));
    assert.notEqual(newQuarantinePath('/data', digest), newQuarantinePath('/data', digest));
  });
});
