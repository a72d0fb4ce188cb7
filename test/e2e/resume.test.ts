import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
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

  async function publishAs(name: string): Promise<{ reference: string; image: SourceImage }> {
    const folder = join(session().lab.folder, `image-${name}`);
    const image = await makeImage(folder, { seed: name, layers: LAYERS, layerBytes: 8_000_000 });
    await publish(image, `library/${name}`);
    return { reference: `docker.io/library/${name}:v1`, image };
  }

  /** The transfers that the CDN began, but for the questions for a first byte. */
  function transfers(requests: readonly SeenRequest[]): string[] {
    const bodies = requests.filter(
      ({ place, method, bytes }) => place === 'cdn' && method === 'GET' && bytes > 100_000,
    );
    const ranges = bodies.map(({ range }) => range ?? '');
    return ranges.toSorted((a, b) => b.localeCompare(a));
  }

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
