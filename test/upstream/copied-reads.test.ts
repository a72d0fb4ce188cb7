import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { readInto } from '../../src/upstream/copied-reads.js';

describe('upstream/copied-reads', () => {
  it('gives bytes in pieces of the buffer, and pauses where it is told to', () => {
    const stream = new Duplex({ read() {}, write: (_bytes, _encoding, done) => done() });
    const buffer = Buffer.alloc(4);
    const seen: string[] = [];
    readInto(stream as unknown as Socket, {
      buffer,
      callback: (size, bytes) => {
        seen.push(Buffer.from(bytes.subarray(0, size)).toString());
        return seen.length !== 3;
      },
    });
    stream.emit('data', Buffer.from('abcdefghij'));
    assert.deepEqual(seen, ['abcd', 'efgh', 'ij']);
    assert.equal(stream.isPaused(), true);
    stream.emit('data', Buffer.from('k'));
    assert.deepEqual(seen.at(-1), 'k');
  });
});
