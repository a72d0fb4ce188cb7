import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import { parseResponseHead } from '../../src/upstream/response-head.js';

function head(...lines: string[]): string {
  return lines.join('\r\n');
}

describe('upstream/response-head', () => {
  it('reads status, headers as they stand, and a length', () => {
    const parsed = parseResponseHead(
      head('HTTP/1.1 200 OK', 'Content-Length: 12', 'X-Odd:  two  words ', 'x-odd: again'),
    );
    assert.equal(parsed.status, 200);
    assert.deepEqual(parsed.headers, ['Content-Length', '12', 'X-Odd', 'two  words', 'x-odd', 'again']);
    assert.deepEqual(parsed.framing, { kind: 'length', bytes: 12 });
    assert.equal(parsed.reusable, true);
  });

  it('reads a status without a reason, with and without the space before it', () => {
    assert.equal(parseResponseHead('HTTP/1.1 206').status, 206);
    assert.equal(parseResponseHead('HTTP/1.1 206 ').status, 206);
  });

  it('knows how each body is framed', () => {
    assert.deepEqual(parseResponseHead(head('HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked')).framing, {
      kind: 'chunked',
    });
    assert.deepEqual(parseResponseHead('HTTP/1.1 200 OK').framing, { kind: 'close' });
    assert.deepEqual(parseResponseHead('HTTP/1.1 304 Not Modified').framing, { kind: 'length', bytes: 0 });
    assert.deepEqual(parseResponseHead(head('HTTP/1.1 204 None', 'Content-Length: 7')).framing, {
      kind: 'length',
      bytes: 0,
    });
  });

  const kept: readonly (readonly [string, boolean])[] = [
    [head('HTTP/1.1 200 OK', 'Content-Length: 0'), true],
    [head('HTTP/1.0 200 OK', 'Content-Length: 0'), false],
    [head('HTTP/1.1 200 OK', 'Content-Length: 0', 'Connection: Close'), false],
    ['HTTP/1.1 200 OK', false],
  ];
  for (const [text, reusable] of kept) {
    it(`${reusable ? 'keeps' : 'drops'} the connection after ${JSON.stringify(text)}`, () => {
      assert.equal(parseResponseHead(text).reusable, reusable);
    });
  }

  const refused = [
    'HTTP/2 200 OK',
    'HTTP/1.1 99 Low',
    'HTTP/1.1 2000 High',
    'HTP/1.1 200 OK',
    '',
    head('HTTP/1.1 200 OK', 'No colon here'),
    head('HTTP/1.1 200 OK', ' folded: line'),
    head('HTTP/1.1 200 OK', 'Name : space'),
    head('HTTP/1.1 200 OK', 'A: bare\nB: feed'),
    head('HTTP/1.1 200 OK', 'A: nul\0'),
    head('HTTP/1.1 200 OK', 'Content-Length: 1', 'Content-Length: 2'),
    head('HTTP/1.1 200 OK', 'Content-Length: -1'),
    head('HTTP/1.1 200 OK', 'Content-Length: 0x10'),
    head('HTTP/1.1 200 OK', 'Content-Length: 18446744073709551616'),
    head('HTTP/1.1 200 OK', 'Content-Length: 5', 'Transfer-Encoding: chunked'),
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: identity, chunked'),
    head('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
    head('HTTP/1.1 200 OK', ...Array.from({ length: 201 }, (_, i) => `H${i}: x`)),
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 60))}`, () => {
      assert.throws(
        () => parseResponseHead(text),
        (error) => error instanceof ProxyError && error.code === 'upstream-protocol',
      );
    });
  }
});
