import assert from 'node:assert/strict';
import { join } from 'node:path';
import { publish } from '../lab/fixtures.js';
import { account } from '../lab/topology.js';
import type { Account, Client, StartClient } from './clients/client.js';
import { startCri, startCtr } from './clients/containerd.js';
import { startBuildah, startPodman } from './clients/containers-storage.js';
import { startDockerd } from './clients/dockerd.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { blobsOf, count, deliveredBlobs, manifestsOf, observe } from './upstream-counts.js';

// Each client pulls through a proxy that starts empty: the first pull downloads every blob and manifest once, the
// second, after the client has removed the image, none. Registries say so in their own logs.

const clients: Record<string, StartClient> = {
  skopeo: startSkopeo,
  podman: startPodman,
  buildah: startBuildah,
  ctr: startCtr,
  CRI: startCri,
  dockerd: startDockerd,
};

/** How the clients say that a registry wants credentials. */
const refusal = /denied|unauthorized|authorization failed|authentication required|no basic auth/i;

interface Pull {
  readonly title: string;
  readonly reference: string;
  readonly image: 'small' | 'secret' | 'multi';
  readonly account?: Account;
}

const pulls: readonly Pull[] = [
  { title: 'a token registry that redirects blobs', reference: 'docker.io/library/small:v1', image: 'small' },
  { title: 'a private image there', reference: 'docker.io/private/secret:v1', image: 'secret', account },
  { title: 'an index at an anonymous registry', reference: 'quay.io/library/multi:v1', image: 'multi' },
  { title: 'an htpasswd registry', reference: 'registry.test/private/secret:v1', image: 'secret', account },
];

for (const [name, startClient] of Object.entries(clients)) {
  describe(`e2e: ${name}`, () => {
    let proxy: RunningProxy;
    let client: Client;

    before(async () => {
      const { lab } = session();
      proxy = await startProxy(`data-${name}`);
      client = await startClient(join(lab.folder, `client-${name}`), proxy.url);
    });

    after(async () => {
      await client?.stop();
      assert.equal(await proxy?.stop(), 0);
    });

    for (const { title, reference, image, account } of pulls) {
      it(`pulls from ${title} and again from disk`, async () => {
        const source = session().lab.fixtures[image];
        const [platform] = source.platforms;
        const cold = await observe(() => client.pull(reference, account));
        await client.check(reference, platform);
        await client.forget(reference);
        const again = await observe(() => client.pull(reference, account));
        await client.check(reference, platform);
        await client.forget(reference);

        assert.deepEqual(deliveredBlobs(cold), blobsOf(platform));
        assert.equal(count(cold).manifestBodies, manifestsOf(source));
        const { blobBodies, manifestBodies, ...bodiless } = count(again);
        assert.deepEqual({ blobBodies, manifestBodies }, { blobBodies: 0, manifestBodies: 0 });
        assert.deepEqual(bodiless, {});
      });
    }

    it('gives a private image to nobody without credentials', async () => {
      await assert.rejects(client.pull('docker.io/private/secret:v1'), refusal);
      await assert.rejects(client.pull('registry.test/private/secret:v1'), refusal);
    });

    it('sees a moved tag at the next pull', async () => {
      const [before, after] = session().lab.fixtures.moving;
      const reference = 'quay.io/library/moving:v1';
      await publish(before, 'library/moving');
      await client.pull(reference);
      await client.check(reference, before.platforms[0]);
      await publish(after, 'library/moving');
      await client.pull(reference);
      await client.check(reference, after.platforms[0]);
    });
  });
}
