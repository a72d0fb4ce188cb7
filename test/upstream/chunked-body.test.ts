import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ChunkedBody } from '../../src/upstream/chunked-body.js';

function encode(chunks: readonly Uint8Array[], trailer = ''): Buffer {
  const framed = chunks.flatMap((chunk) => [
    Buffer.from(`${chunk.length.toString(16)}\r\n`),
    chunk,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...framed, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

/** Feeds the bytes in pieces of the given lengths, over and over, and gives what came out and how much was taken. */
function decode(wire: Buffer, lengths: readonly number[]): { body: Buffer; taken: number; done: boolean } {
  const decoder = new ChunkedBody();
  const out: Buffer[] = [];
  let taken = 0;
  for (let i = 0; taken < wire.length && !decoder.done; i += 1) {
    const piece = wire.subarray(taken, taken + (lengths[i % lengths.length] as number));
    taken += decoder.take(piece, (part) => out.push(Buffer.from(part)));
  }
  return { body: Buffer.concat(out), taken, done: decoder.done };
}

describe('upstream/chunked-body', () => {
  it('gives the body however the wire cuts it', () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 300 });
    const cuts = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), cuts, (chunks, lengths) => {
        const wire = encode(chunks);
        assert.deepEqual(decode(wire, lengths), { body: Buffer.concat(chunks), taken: wire.length, done: true });
      }),
    );
  });

  it('reads over extensions and trailers, and leaves what follows alone', () => {
    const wire = Buffer.from('3;name=value\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\nHTTP/1.1 200 OK');
    const { body, taken, done } = decode(wire, [7]);
    assert.equal(body.toString(), 'abc');
    assert.equal(done, true);
    assert.equal(wire.subarray(taken).toString().endsWith('200 OK'), true);
    assert.equal(wire.subarray(0, taken).toString().endsWith('\r\n\r\n'), true);
  });

  it('is not done where the last chunk is missing', () => {
    assert.equal(decode(Buffer.from('3\r\nabc\r\n'), [4]).done, false);
  });

  const malformed = [
    '\r\n',
    'x\r\n',
    '-1\r\n',
    '3\nabc',
    '3\r\nabcX\r\n',
    '1000000000000000\r\n',
    ' 3\r\n',
    `3;${'e'.repeat(5000)}\r\n`,
  ];
  for (const wire of malformed) {
    it(`refuses ${JSON.stringify(wire.slice(0, 20))}`, () => {
      assert.throws(() => decode(Buffer.from(wire), [wire.length]), /chunks/);
    });
  }

  it('refuses trailers without end', () => {
    assert.throws(() => decode(Buffer.from(`0\r\n${'A: b\r\n'.repeat(40)}`), [64]), /chunks/);
  });
});
