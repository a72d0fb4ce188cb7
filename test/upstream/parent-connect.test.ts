import assert from 'node:assert/strict';
import { connectThrough, ParentRefusal } from '../../src/upstream/parent-connect.js';
import { type FakeParent, startFakeParent } from '../support/fake-parent.js';
import { loopbackGuard, testTrust } from './loopback.js';

describe('upstream/parent-connect', () => {
  const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;
  let parent: FakeParent;

  beforeEach(async () => {
    parent = await startFakeParent();
  });
  afterEach(() => parent.kill());

  function connect(signal?: AbortSignal) {
    return connectThrough(parent.address, target, {
      guard: loopbackGuard(),
      trust: testTrust(),
      timeouts: { dialMs: 1000, tlsMs: 1000, answerMs: 5000 },
      authorization: undefined,
      via: '1.1 me',
      signal,
    });
  }

  it('gives the status of a parent that says no', async () => {
    parent.refuse(403);
    await assert.rejects(connect(), (error) => error instanceof ParentRefusal && error.status === 403);
    assert.deepEqual(parent.seen, ['CONNECT registry.test:443']);
  });

  it('gives up with its client', async () => {
    const gone = new AbortController();
    gone.abort();
    await assert.rejects(connect(gone.signal), { code: 'client-gone' });
  });
});
