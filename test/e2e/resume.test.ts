import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { publish } from '../lab/fixtures.js';
import { makeImage, type SourceImage } from '../lab/images.js';
import type { SeenRequest } from '../lab/upstream-log.js';
import type { Client } from './clients/client.js';
import { startPodman } from './clients/containers-storage.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { observe } from './upstream-counts.js';

const CUT = 3_000_000;
const LAYERS = 2;

async function publishAs(name: string): Promise<{ reference: string; image: SourceImage }> {
  const folder = join(session().lab.folder, `image-${name}`);
  const image = await makeImage(folder, { seed: name, layers: LAYERS, layerBytes: 8_000_000 });
  await publish(image, `library/${name}`);
  return { reference: `docker.io/library/${name}:v1`, image };
}

/** The transfers that the CDN began, by what was asked for, but for the questions for a first byte. */
function transfers(requests: readonly SeenRequest[]): string[] {
  const bodies = requests.filter(({ place, method, bytes }) => place === 'cdn' && method === 'GET' && bytes > 100_000);
  return bodies.map(({ range }) => range ?? '').toSorted((a, b) => b.localeCompare(a));
}

describe('e2e: a CDN that cuts every first transfer at 3 MB', () => {
  let proxy: RunningProxy;

  before(async () => {
    session().lab.cdn.cutFirstBytes = CUT;
    proxy = await startProxy('data-resume');
  });

  after(async () => {
    session().lab.cdn.cutFirstBytes = undefined;
    assert.equal(await proxy?.stop(), 0);
  });

  async function pulls(client: Client, name: string): Promise<void> {
    const { reference, image } = await publishAs(name);
    const requests = await observe(() => client.pull(reference));
    await client.check(reference, image.platforms[0]);
    const rest = Array.from({ length: LAYERS }, () => `bytes=${CUT}-`);
    const whole = Array.from({ length: LAYERS }, () => '');
    assert.deepEqual(transfers(requests), [...rest, ...whole]);
    const again = await observe(async () => {
      await client.forget(reference);
      await client.pull(reference);
    });
    assert.deepEqual(transfers(again), []);
    await client.check(reference, image.platforms[0]);
    await client.forget(reference);
  }

  it('H16 is not seen by skopeo, and each byte is transferred once', async () => {
    const folder = join(session().lab.folder, 'client-cut');
    await pulls(await startSkopeo(folder, proxy.url), 'cut-skopeo');
    await rm(folder, { recursive: true });
  });

  it('H16 is not seen by podman, and each byte is transferred once', async () => {
    const podman = await startPodman(join(session().lab.folder, 'podman-cut'), proxy.url);
    await pulls(podman, 'cut-podman');
    await podman.stop();
  });
});

describe('e2e: a proxy that is killed in the middle of pulls and started again', function () {
  this.timeout(240_000);
  const PULLS = 100;
  let proxy: RunningProxy;

  afterEach(async () => {
    const { cdn } = session().lab;
    cdn.cutFirstBytes = undefined;
    cdn.beforeCut = undefined;
    assert.equal(await proxy?.stop(), 0);
  });

  it(`H17 costs none of ${PULLS} more than another try, and goes on with what it had`, async () => {
    const { lab } = session();
    const { reference, image } = await publishAs('killed');
    proxy = await startProxy('data-killed');
    const folders = Array.from({ length: PULLS }, (_, n) => join(lab.folder, 'client-killed', String(n)));
    const clients = await Promise.all(folders.map((folder) => startSkopeo(folder, proxy.url)));
    // skopeo takes one layer after the other; the first stands still at 3 MB while everybody waits for it.
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const begun = new Promise<void>((resolve) => {
      lab.cdn.beforeCut = () => {
        resolve();
        return released;
      };
    });
    lab.cdn.cutFirstBytes = CUT;
    const requests = await observe(async () => {
      const pulls = Promise.all(clients.map((client) => pullAgain(client, reference)));
      await begun;
      await noted('data-killed');
      process.kill(proxy.pid, 'SIGKILL');
      release();
      proxy = await startProxy('data-killed');
      await pulls;
    });
    for (const client of clients) await client.check(reference, image.platforms[0]);
    const ranges = transfers(requests);
    assert.equal(ranges.filter((range) => range === '').length, LAYERS, 'nothing is transferred from the start again');
    assert.ok(ranges.filter((range) => /^bytes=[1-9][0-9]{5,}-$/.test(range)).length >= LAYERS, ranges.join(' '));
    await rm(join(lab.folder, 'client-killed'), { recursive: true });
  });

  /** As dockerd, containerd and the kubelet do: what breaks off is tried again a second later. This skopeo gives up at once. */
  async function pullAgain(client: Client, reference: string): Promise<void> {
    for (let left = 8; ; left -= 1) {
      try {
        return await client.pull(reference);
      } catch (error) {
        if (left === 0) throw error;
        await client.forget(reference);
        await sleep(1000);
      }
    }
  }

  /** Resolves when the proxy has noted something of a layer. */
  async function noted(dataName: string): Promise<void> {
    const spool = join(session().lab.folder, dataName, 'spool');
    while (!(await readdir(spool)).some((name) => name.endsWith('.kept')));
  }
});
