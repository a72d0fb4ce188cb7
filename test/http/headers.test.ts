import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import {
  contentLength,
  endToEndConnectionOption,
  hasHeader,
  hasToken,
  headersFrom,
  headerValue,
  headerValues,
  listTokens,
  setHeader,
  stripHopByHop,
  withoutHeaders,
} from '../../src/http/headers.js';

const HEADERS = ['Accept', 'a/b', 'X-One', '1', 'accept', 'c/d', 'ACCEPT', 'e/f'];

describe('http/headers', () => {
  it('writes lines from fields in their order', () => {
    assert.deepEqual(headersFrom({ B: '1', A: '2' }), ['B', '1', 'A', '2']);
  });

  it('finds the first line of a name in any case', () => {
    assert.equal(headerValue(HEADERS, 'aCCept'), 'a/b');
    assert.equal(headerValue(HEADERS, 'x-two'), undefined);
  });

  it('tells whether there is a line of a name, even an empty one', () => {
    assert.deepEqual([hasHeader(HEADERS, 'x-one'), hasHeader(HEADERS, 'x-two')], [true, false]);
    assert.equal(hasHeader(['Range', ''], 'range'), true);
  });

  it('does not take a value for a name', () => {
    assert.equal(headerValue(['X-A', 'accept', 'X-B', 'y'], 'accept'), undefined);
    assert.deepEqual(headerValues(['X-A', 'accept', 'X-B', 'y'], 'accept'), []);
  });

  it('gives all lines of a name in order', () => {
    assert.deepEqual(headerValues(HEADERS, 'Accept'), ['a/b', 'c/d', 'e/f']);
  });

  it('removes names and keeps order, case and doubles of the rest', () => {
    assert.deepEqual(withoutHeaders(['B', '1', 'a', '2', 'B', '3', 'C', '4'], new Set(['a', 'c'])), [
      'B',
      '1',
      'B',
      '3',
    ]);
  });

  it('replaces all lines of a name by one and leaves the input alone', () => {
    const before = [...HEADERS];
    assert.deepEqual(setHeader(HEADERS, 'Accept', '*/*'), ['X-One', '1', 'Accept', '*/*']);
    assert.deepEqual(HEADERS, before);
  });

  it('sees tokens over several lines, in any case', () => {
    const headers = ['Connection', 'Keep-Alive ,, X-Thing', 'connection', 'Upgrade'];
    assert.deepEqual(listTokens(headers, 'connection'), ['keep-alive', 'x-thing', 'upgrade']);
    assert.equal(hasToken(headers, 'Connection', 'UPGRADE'), true);
    assert.equal(hasToken(headers, 'Connection', 'close'), false);
  });

  it('strips what belongs to the connection, and what Connection names', () => {
    const own =
      'Connection: keep-alive, X-Hop|X-Hop: 1|Keep-Alive: t|TE: trailers|Trailer: x|Transfer-Encoding: chunked|' +
      'Upgrade: h2c|Proxy-Authorization: s|Proxy-Authenticate: s|Proxy-Connection: close';
    const headers = ['Host', 'a', ...own.split(/\||: /), 'Authorization', 'Bearer t'];
    assert.deepEqual(stripHopByHop(headers), ['Host', 'a', 'Authorization', 'Bearer t']);
  });

  it('keeps end-to-end headers that Connection names, and points them out', () => {
    const headers = ['Connection', 'close, Authorization, content-length', 'Authorization', 'x', 'Content-Length', '3'];
    assert.deepEqual(stripHopByHop(headers), ['Authorization', 'x', 'Content-Length', '3']);
    assert.equal(endToEndConnectionOption(headers), 'authorization');
    assert.equal(endToEndConnectionOption(['Connection', 'close, x-hop']), undefined);
  });

  it('reads a length, once or several times the same', () => {
    assert.equal(contentLength([]), undefined);
    assert.equal(contentLength(['Content-Length', '0']), 0);
    assert.equal(contentLength(['content-length', ' 5368709121 ']), 5368709121);
    assert.equal(contentLength(['Content-Length', '7', 'Content-Length', '7, 7']), 7);
  });

  for (const text of ['', '+1', '-1', '1.0', '0x10', '1e3', '1 2', '7, 8', '7,', '9007199254740992', '١']) {
    it(`refuses the length ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => contentLength(['Content-Length', text]),
        (error) => error instanceof ProxyError && error.code === 'upstream-protocol',
      );
    });
  }
});
