import assert from 'node:assert/strict';
import { join } from 'node:path';
import { account } from '../lab/topology.js';
import type { Client } from './clients/client.js';
import { startPodman } from './clients/containers-storage.js';
import { startCrane, startOras } from './clients/layout-copiers.js';
import { startSkopeo } from './clients/skopeo.js';
import { openTrixie } from './clients/trixie.js';
import type { Where } from './clients/without-names.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { blobsOf, count, deliveredBlobs, observe } from './upstream-counts.js';

// The generation of clients after Debian 12's: they keep connections, pull in parallel, and two of them offer HTTP/2.

const clients = { skopeo: startSkopeo, podman: startPodman, crane: startCrane, oras: startOras };

describe('e2e: Debian 13', () => {
  let where: Where;
  before(async () => {
    where = await openTrixie();
  });

  for (const [name, start] of Object.entries(clients)) {
    describe(name, () => {
      let proxy: RunningProxy;
      let client: Client;

      before(async () => {
        proxy = await startProxy(`data-trixie-${name}`);
        client = await start(join(session().lab.folder, `trixie-${name}`), proxy.url, where);
      });

      after(async () => {
        await client?.stop();
        assert.equal(await proxy?.stop(), 0);
      });

      const pulls = [
        { reference: 'docker.io/library/small:v1', image: 'small' },
        { reference: 'docker.io/private/secret:v1', image: 'secret', who: account },
        { reference: 'quay.io/library/multi:v1', image: 'multi' },
        { reference: 'registry.test/private/secret:v1', image: 'secret', who: account },
      ] as const;
      for (const { reference, image, ...rest } of pulls) {
        it(`pulls ${reference} and again from disk`, async () => {
          const who = 'who' in rest ? rest.who : undefined;
          const [platform] = session().lab.fixtures[image].platforms;
          const cold = await observe(() => client.pull(reference, who));
          await client.check(reference, platform);
          assert.deepEqual(deliveredBlobs(cold), blobsOf(platform));

          await client.forget(reference);
          const { blobBodies, manifestBodies } = count(await observe(() => client.pull(reference, who)));
          await client.check(reference, platform);
          assert.deepEqual({ blobBodies, manifestBodies }, { blobBodies: 0, manifestBodies: 0 });
          await client.forget(reference);
        });
      }
    });
  }
});
