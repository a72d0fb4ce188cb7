import assert from 'node:assert/strict';
import { createOfflineClient, createOfflineHealth } from '../../src/upstream/offline.js';

const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;

describe('upstream/offline', () => {
  it('sends nothing, and says why', async () => {
    const client = createOfflineClient();
    await assert.rejects(client.send({ target, method: 'GET', path: '/v2/', headers: [] }), {
      code: 'offline',
      status: 504,
      message: /registry\.test is not asked: the proxy is offline/,
    });
    await client.close();
  });

  it('takes every registry for away, and knows its manner', async () => {
    const health = createOfflineHealth(async (registry) => ({ ping: 'basic', service: registry }));
    assert.equal(health.isAway(target, false), true);
    assert.equal(await health.answers(target), false);
    assert.deepEqual(await health.manner(target), { ping: 'basic', service: 'registry.test' });
    assert.deepEqual(health.away, [], 'nothing is wrong with what nobody asks');
    health.close();
  });
});
