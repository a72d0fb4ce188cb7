import assert from 'node:assert/strict';
import { FlightIntake } from '../../src/cache/flight-intake.js';
import { createChunkMemory } from '../../src/cache/flight-window.js';
import { sampleBytes, sha256Of } from '../support/fake-fill.js';
import { createStubStore, type StubStore } from '../support/stub-spool.js';

describe('cache/flight-intake', () => {
  const body = sampleBytes(95);
  let store: StubStore;
  let intake: FlightIntake;

  beforeEach(async () => {
    store = createStubStore();
    intake = new FlightIntake(sha256Of(body), createChunkMemory(10), { onWritten: () => {}, onFault: () => {} });
    await intake.spool.start(store.createSpool(undefined));
  });

  afterEach(async () => {
    await intake.close(false);
    assert.equal(store.openSpools, 0);
    store.remove();
  });

  it('knows at any place whether what came has the digest, and takes more all the same', () => {
    for (let at = 0; at < body.length; at += 7) {
      assert.equal(intake.matches(), false);
      intake.take(body.subarray(at, at + 7), undefined);
    }
    assert.equal(intake.matches(), true);
    intake.take(Buffer.from('x'), undefined);
    assert.equal(intake.matches(), false);
  });

  it('writes full chunks as they come, and the rest when it is told that there is no more', async () => {
    intake.take(body, undefined);
    intake.finish();
    await intake.spool.commit(sha256Of(body), undefined);
    assert.ok(store.committed[0]?.bytes.equals(body));
  });
});
