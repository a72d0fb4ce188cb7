import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from './clients/client.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { blobsOf, count, deliveredBlobs, observe } from './upstream-counts.js';

describe('e2e: an image of 500 MB', () => {
  const reference = 'docker.io/library/big:v1';
  let proxy: RunningProxy;
  let skopeo: Client;

  before(async () => {
    proxy = await startProxy('data-big');
    skopeo = await startSkopeo(join(session().lab.folder, 'client-big'), proxy.url);
  });

  after(async () => {
    assert.equal(await proxy?.stop(), 0);
  });

  it('is downloaded once, through redirects to the CDN', async () => {
    const [platform] = session().lab.fixtures.big.platforms;
    const requests = await observe(() => skopeo.pull(reference));
    await skopeo.check(reference, platform);
    assert.deepEqual(deliveredBlobs(requests), blobsOf(platform));
    await skopeo.forget(reference);
  });

  it('comes from disk the second time', async () => {
    const [platform] = session().lab.fixtures.big.platforms;
    const { blobBodies, manifestBodies } = count(await observe(() => skopeo.pull(reference)));
    await skopeo.check(reference, platform);
    assert.deepEqual({ blobBodies, manifestBodies }, { blobBodies: 0, manifestBodies: 0 });
    await skopeo.forget(reference);
  });

  it('is downloaded once for two clients that ask at the same time', async () => {
    const { lab } = session();
    const [platform] = lab.fixtures.big.platforms;
    assert.equal(await proxy.stop(), 0);
    proxy = await startProxy('data-big-together');
    const folders = ['one', 'two'].map((name) => join(lab.folder, `big-${name}`));
    const together = await Promise.all(folders.map((folder) => startSkopeo(folder, proxy.url)));
    const requests = await observe(async () => {
      await Promise.all(together.map((client) => client.pull(reference)));
    });
    assert.deepEqual(deliveredBlobs(requests), blobsOf(platform));
    for (const client of together) await client.check(reference, platform);
    for (const folder of folders) await rm(folder, { recursive: true });
  });
});
