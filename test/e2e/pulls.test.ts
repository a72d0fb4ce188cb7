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
import { blobsOf, type Counts, count, deliveredBlobs, manifestsOf, observe } from './upstream-counts.js';

// Each client pulls through a proxy that starts empty: the first pull downloads every blob and manifest once, the
// second, after the client has removed the image, none. Registries say so in their own logs.

interface Pull {
  readonly title: string;
  readonly reference: string;
  readonly image: 'small' | 'secret' | 'multi';
  readonly account?: Account;
}

const pulls = {
  token: {
    title: 'a token registry that redirects blobs',
    reference: 'docker.io/library/small:v1',
    image: 'small',
  },
  privateToken: {
    title: 'a private image there',
    reference: 'docker.io/private/secret:v1',
    image: 'secret',
    account,
  },
  anonymous: {
    title: 'an index at an anonymous registry',
    reference: 'quay.io/library/multi:v1',
    image: 'multi',
  },
  htpasswd: {
    title: 'an htpasswd registry',
    reference: 'registry.test/private/secret:v1',
    image: 'secret',
    account,
  },
} satisfies Record<string, Pull>;

/** What reaches upstreams at the second pull: nothing that has a body but tokens and refusals. */
type Bodiless = Omit<Counts, 'blobBodies' | 'manifestBodies'>;
type Expected = Readonly<Record<keyof typeof pulls, Bodiless>>;

const tagCheck: Bodiless = { pings: 0, tokens: 0, challenges: 0, manifestHeads: 1, blobHeads: 0 };

/** These ask for `/v2/` and a token, then use that token for everything. */
const pingFirst: Expected = {
  token: { ...tagCheck, pings: 1, tokens: 1 },
  privateToken: { ...tagCheck, pings: 1, tokens: 1 },
  anonymous: { ...tagCheck, pings: 1 },
  htpasswd: { ...tagCheck, pings: 1 },
};

/**
 * containerd resolves the tag and fetches content with two separate authorisations, each of which begins without
 * credentials. A public manifest is served to the second as it is; for a private one both the proxy's question and the
 * client's own GET are refused, and the second token is asked about once.
 */
const challengeFirst: Expected = {
  token: { ...tagCheck, tokens: 1, challenges: 1 },
  privateToken: { ...tagCheck, tokens: 2, challenges: 3, manifestHeads: 2 },
  anonymous: tagCheck,
  htpasswd: { ...tagCheck, challenges: 3 },
};

const clients: Record<string, { start: StartClient; expected: Expected }> = {
  skopeo: { start: startSkopeo, expected: pingFirst },
  podman: { start: startPodman, expected: pingFirst },
  buildah: { start: startBuildah, expected: pingFirst },
  dockerd: { start: startDockerd, expected: pingFirst },
  ctr: { start: startCtr, expected: challengeFirst },
  CRI: { start: startCri, expected: challengeFirst },
};

/** How the clients say that a registry wants credentials. */
const refusal = /denied|unauthorized|authorization failed|authentication required|no basic auth/i;

for (const [name, { start, expected }] of Object.entries(clients)) {
  describe(`e2e: ${name}`, () => {
    let proxy: RunningProxy;
    let client: Client;

    before(async () => {
      const { lab } = session();
      proxy = await startProxy(`data-${name}`);
      client = await start(join(lab.folder, `client-${name}`), proxy.url);
    });

    after(async () => {
      await client?.stop();
      assert.equal(await proxy?.stop(), 0);
    });

    for (const key of Object.keys(pulls) as (keyof typeof pulls)[]) {
      const { title, reference, image, account }: Pull = pulls[key];
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
        assert.deepEqual(bodiless, expected[key]);
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
