import assert from 'node:assert/strict';
import { join } from 'node:path';
import { account } from '../lab/topology.js';
import type { Client, StartClient } from './clients/client.js';
import { startCtr } from './clients/containerd.js';
import { startPodman } from './clients/containers-storage.js';
import { startDockerd } from './clients/dockerd.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { blobsOf, count, deliveredBlobs, observe } from './upstream-counts.js';

// What one client has pulled, every other client gets from disk, also after the proxy was restarted, and never
// without the registry's leave.

describe('e2e: one store for all clients', () => {
  const clients: Client[] = [];
  let proxy: RunningProxy;

  before(async () => {
    proxy = await startProxy('data-sharing');
    await add(startSkopeo, 'skopeo');
  });

  after(async () => {
    for (const client of clients) await client.stop();
    assert.equal(await proxy?.stop(), 0);
  });

  async function add(start: StartClient, name: string): Promise<Client> {
    const client = await start(join(session().lab.folder, `sharing-${name}`), proxy.url);
    clients.push(client);
    return client;
  }

  const others: Record<string, StartClient> = { podman: startPodman, ctr: startCtr, dockerd: startDockerd };
  for (const format of ['small', 'small-v2s2']) {
    it(`downloads docker.io/library/${format} once for skopeo`, async () => {
      const [skopeo] = clients;
      const reference = `docker.io/library/${format}:v1`;
      const requests = await observe(() => skopeo!.pull(reference));
      // The second format has the first one's layers and configuration, at another repository, and both are public.
      const { platforms } = session().lab.fixtures.small;
      assert.ok(deliveredBlobs(requests).every((digest) => blobsOf(platforms[0]).includes(digest)));
      assert.equal(count(requests).manifestBodies, 1);
    });
  }

  for (const [name, start] of Object.entries(others)) {
    it(`gives ${name} what skopeo pulled, from disk`, async () => {
      const { platforms } = session().lab.fixtures.small;
      const client = await add(start, name);
      for (const reference of ['docker.io/library/small:v1', 'docker.io/library/small-v2s2:v1']) {
        const { blobBodies, manifestBodies } = count(await observe(() => client.pull(reference)));
        assert.deepEqual({ blobBodies, manifestBodies }, { blobBodies: 0, manifestBodies: 0 });
      }
      await client.check('docker.io/library/small:v1', platforms[0]);
    });
  }

  it('keeps everything over a restart', async () => {
    const [skopeo] = clients;
    assert.equal(await proxy.stop(), 0);
    proxy = await startProxy('data-sharing');
    await skopeo!.forget('docker.io/library/small:v1');
    const { blobBodies, manifestBodies } = count(await observe(() => skopeo!.pull('docker.io/library/small:v1')));
    assert.deepEqual({ blobBodies, manifestBodies }, { blobBodies: 0, manifestBodies: 0 });
    await skopeo!.check('docker.io/library/small:v1', session().lab.fixtures.small.platforms[0]);
  });

  it('refuses a stranger what an account has pulled, and lets the account in again', async () => {
    const [skopeo] = clients;
    for (const reference of ['docker.io/private/secret:v1', 'registry.test/private/secret:v1']) {
      await skopeo!.pull(reference, account);
      await skopeo!.forget(reference);
      await assert.rejects(skopeo!.pull(reference), /denied|unauthorized|authentication required/i);
      await assert.rejects(skopeo!.pull(reference, { ...account, password: 'wrong' }), /unauthorized|incorrect/i);
      const again = count(await observe(() => skopeo!.pull(reference, account)));
      assert.equal(again.blobBodies, 0);
      await skopeo!.check(reference, session().lab.fixtures.secret.platforms[0]);
    }
  });
});
