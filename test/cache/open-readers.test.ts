import assert from 'node:assert/strict';
import { createOpenReaders } from '../../src/cache/open-readers.js';
import type { BodyReader } from '../../src/http/body.js';
import { digestOfBytes } from '../support/memory-store.js';

describe('cache/open-readers', () => {
  const digest = digestOfBytes(Buffer.from('x'));
  let closed = 0;
  const reader: BodyReader = {
    sizeBytes: 7,
    read: async (offset, maxBytes) => ({ bytes: Buffer.from(`${offset} ${maxBytes}`), release: () => {} }),
    close: () => {
      closed += 1;
    },
  };

  it('counts content as being read until the last of its readers is closed, each once', () => {
    const readers = createOpenReaders();
    const [one, two] = [readers.track(digest, reader), readers.track(digest, reader)];
    assert.equal(readers.has(digest), true);
    one.close();
    one.close();
    assert.equal(readers.has(digest), true);
    two.close();
    assert.equal(readers.has(digest), false);
    assert.equal(closed, 3);
  });

  it('counts nothing that is in memory: it needs no file', () => {
    const readers = createOpenReaders();
    const whole = { ...reader, whole: Buffer.from('content') };
    assert.equal(readers.track(digest, whole), whole);
    assert.equal(readers.has(digest), false);
  });

  it('reads as the reader does', async () => {
    const tracked = createOpenReaders().track(digest, reader);
    assert.equal(tracked.sizeBytes, 7);
    assert.equal(Buffer.from((await tracked.read(3, 4))?.bytes ?? []).toString(), '3 4');
  });

  it('reads ahead where the reader finds it worthwhile at that moment', () => {
    let worthwhile = true;
    const tracked = createOpenReaders().track(digest, {
      ...reader,
      get readsAhead() {
        return worthwhile;
      },
    });
    assert.equal(tracked.readsAhead, true);
    worthwhile = false;
    assert.equal(tracked.readsAhead, false);
    assert.equal(createOpenReaders().track(digest, reader).readsAhead, false);
  });
});
