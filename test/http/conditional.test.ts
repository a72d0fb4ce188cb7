import assert from 'node:assert/strict';
import { ifRangeMatches, isNotModified } from '../../src/http/conditional.js';

const ETAG = '"sha256:abc"';

describe('http/conditional', () => {
  for (const value of [
    '"sha256:abc"',
    'W/"sha256:abc"',
    '*',
    ' * ',
    '"x", "sha256:abc"',
    '"x,y",,W/"sha256:abc" ',
    'sha256:abc',
    '"x", sha256:abc',
  ]) {
    it(`answers 304 to If-None-Match: ${value}`, () => {
      assert.equal(isNotModified(['If-None-Match', value], ETAG), true);
    });
  }

  for (const value of ['"sha256:abd"', '"sha256:ab"', '"x,sha256:abc"', '', ',', '"*"', '"sha256:abc', '"', 'w/x"']) {
    it(`answers in full to If-None-Match: ${value}`, () => {
      assert.equal(isNotModified(['If-None-Match', value], ETAG), false);
    });
  }

  it('reads every If-None-Match line, and answers in full without any', () => {
    assert.equal(isNotModified(['If-None-Match', '"x"', 'if-none-match', ETAG], ETAG), true);
    assert.equal(isNotModified(['If-Modified-Since', 'Thu, 01 Jan 2026 00:00:00 GMT'], ETAG), false);
  });

  it('lets a range count without If-Range or with the strong tag', () => {
    assert.equal(ifRangeMatches([], ETAG), true);
    assert.equal(ifRangeMatches(['If-Range', ETAG], ETAG), true);
  });

  for (const value of ['W/"sha256:abc"', '"other"', 'sha256:abc', 'Thu, 01 Jan 2026 00:00:00 GMT', '']) {
    it(`ignores the range for If-Range: ${value}`, () => {
      assert.equal(ifRangeMatches(['If-Range', value], ETAG), false);
    });
  }
});
