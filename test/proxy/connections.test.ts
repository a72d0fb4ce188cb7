import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { createConnections } from '../../src/proxy/connections.js';

function socket(): PassThrough {
  return new PassThrough().resume();
}

describe('proxy/connections', () => {
  it('counts connections on which something is under way', () => {
    const connections = createConnections();
    const [a, b] = [socket(), socket()];
    connections.add(a);
    connections.add(b);
    const first = connections.begin(a);
    const second = connections.begin(a);
    assert.equal(connections.busy, 1);
    first();
    first();
    assert.equal(connections.isBusy(a), true);
    second();
    assert.equal(connections.busy, 0);
    assert.equal(connections.isBusy(b), false);
  });

  it('closes what rests when it drains, and the others when they come to rest', async () => {
    const connections = createConnections();
    const [idle, busy] = [socket(), socket()];
    connections.add(idle);
    connections.add(busy);
    const done = connections.begin(busy);
    connections.drain();
    await once(idle, 'close');
    assert.equal(busy.destroyed, false);
    done();
    await once(busy, 'close');
  });

  it('closes what comes in while it drains', async () => {
    const connections = createConnections();
    connections.drain();
    const late = socket();
    connections.add(late);
    await once(late, 'close');
  });

  it('destroys all that is left, but nothing that it was told to forget', () => {
    const connections = createConnections();
    const [busy, forgotten] = [socket(), socket()];
    connections.add(busy);
    connections.add(forgotten);
    connections.begin(busy);
    connections.forget(forgotten);
    connections.destroyAll();
    assert.equal(busy.destroyed, true);
    assert.equal(forgotten.destroyed, false);
  });

  it('forgets what has closed by itself', async () => {
    const connections = createConnections();
    const gone = socket();
    connections.add(gone);
    const done = connections.begin(gone);
    gone.destroy();
    await once(gone, 'close');
    assert.equal(connections.busy, 0);
    done();
    assert.equal(connections.busy, 0);
  });
});
