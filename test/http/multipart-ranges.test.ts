import assert from 'node:assert/strict';
import { multipartRanges } from '../../src/http/multipart-ranges.js';

const CONTENT = Buffer.from('0123456789');
const RANGES = [
  { start: 0, end: 0 },
  { start: 7, end: 9 },
];

describe('http/multipart-ranges', () => {
  it('lays out the body of RFC 9110 section 14.6, and its exact length', () => {
    const layout = multipartRanges(RANGES, CONTENT.length, 'application/octet-stream', 'SEP');
    const pieces = layout.parts.flatMap(({ head, range }) => [head, CONTENT.subarray(range.start, range.end + 1)]);
    const body = Buffer.concat([...pieces, layout.tail]);
    assert.equal(layout.contentType, 'multipart/byteranges; boundary=SEP');
    assert.equal(layout.lengthBytes, body.length);
    assert.equal(
      body.toString(),
      [
        '--SEP',
        'Content-Type: application/octet-stream',
        'Content-Range: bytes 0-0/10',
        '',
        '0',
        '--SEP',
        'Content-Type: application/octet-stream',
        'Content-Range: bytes 7-9/10',
        '',
        '789',
        '--SEP--',
        '',
      ].join('\r\n'),
    );
  });

  it('counts lengths beyond 32 bits', () => {
    const size = 8 * 1024 ** 3;
    const layout = multipartRanges([{ start: 0, end: size - 1 }], size, 'a/b', 'S');
    assert.ok(layout.lengthBytes > size);
  });

  it('takes another boundary for each answer', () => {
    const [first, second] = [multipartRanges(RANGES, 10, 'a/b'), multipartRanges(RANGES, 10, 'a/b')];
    assert.notEqual(first.contentType, second.contentType);
    assert.match(first.contentType, /^multipart\/byteranges; boundary=[0-9a-f]{32}$/);
  });
});
