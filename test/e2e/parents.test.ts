import assert from 'node:assert/strict';
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { publish } from '../lab/fixtures.js';
import { makeImage, type SourceImage } from '../lab/images.js';
import { startSkopeo } from './clients/skopeo.js';
import { type Command, withoutNames } from './clients/without-names.js';
import { opening, type RunningProxy, startProxyAt } from './proxy.js';
import { session } from './session.js';
import { observe } from './upstream-counts.js';

// A relay on a node, below two shared caches: both are killed in the middle of pulls.

const PULLS = 100;
const AT_A_TIME = 8;
const CUT = 300_000;
const LAYERS = 2;
const CACHES = [3138, 3148] as const;
const WAYS = [...CACHES.map((port) => `http://127.0.0.1:${port}`), 'direct'].join(',');

/** As clients do that try again: dockerd and containerd do by themselves, skopeo when it is told to. Left at one try, it loses two or three of these pulls. */
function patiently(program: string, args: readonly string[]): Command {
  return withoutNames(program, [...args, '--retry-times', '5']);
}

describe('e2e: a relay whose caches are killed in the middle of pulls', function () {
  this.timeout(240_000);
  const caches: RunningProxy[] = [];
  let relay: RunningProxy;
  let image: SourceImage;

  before(async () => {
    const { lab } = session();
    image = await makeImage(join(lab.folder, 'image-relayed'), {
      seed: 'relayed',
      layers: LAYERS,
      layerBytes: 500_000,
    });
    await publish(image, 'library/relayed');
    for (const port of CACHES) caches.push(await startProxyAt(port, `data-cache-${port}`, ...opening()));
    const nothing = join(lab.folder, 'no-ca');
    const options = ['--intercept', 'none', '--upstream-proxy', WAYS, '--ca-dir', nothing];
    relay = await startProxyAt(3128, 'data-relay', ...options);
  });

  after(async () => {
    const { cdn } = session().lab;
    cdn.cutFirstBytes = undefined;
    cdn.beforeCut = undefined;
    for (const proxy of [...caches, relay]) await proxy?.stop();
  });

  /** Layers stand still in the middle at the CDN until they are let go. */
  function holdLayers(): { readonly begun: Promise<void>; readonly release: () => void } {
    const { cdn } = session().lab;
    let release: () => void = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const begun = new Promise<void>((resolve) => {
      let count = 0;
      cdn.beforeCut = () => {
        count += 1;
        if (count === LAYERS) resolve();
        return released;
      };
    });
    cdn.cutFirstBytes = CUT;
    return { begun, release };
  }

  it(`H17 fails none of ${PULLS} pulls, and has no key`, async () => {
    const { lab } = session();
    const reference = 'docker.io/library/relayed:v1';
    const { begun, release } = holdLayers();
    let started = 0;
    let done = 0;
    let half: () => void = () => {};
    const halfDone = new Promise<void>((resolve) => (half = resolve));

    async function pullOn(): Promise<void> {
      while (started < PULLS) {
        started += 1;
        const folder = join(lab.folder, 'client-relay', String(started));
        const client = await startSkopeo(folder, relay.url, patiently);
        // This skopeo gives up at once where a body ends early, whatever its number of tries; daemons try again.
        const pull = () => client.pull(reference);
        await pull().catch(pull).catch(pull);
        await client.check(reference, image.platforms[0]);
        await rm(folder, { recursive: true });
        done += 1;
        if (done === PULLS / 2) half();
      }
    }

    const requests = await observe(async () => {
      const pulls = Promise.all(Array.from({ length: AT_A_TIME }, pullOn));
      await Promise.race([begun, pulls]);
      process.kill(caches[0]?.pid ?? 0, 'SIGKILL');
      release();
      await Promise.race([halfDone, pulls]);
      process.kill(caches[1]?.pid ?? 0, 'SIGKILL');
      await pulls;
    });

    assert.equal(done, PULLS);
    // The second cache has fetched each layer once; who came after it was gone went to the CDN themselves.
    const layers = requests.filter(({ place, method, bytes }) => place === 'cdn' && method === 'GET' && bytes > CUT);
    assert.ok(layers.length > 2 * LAYERS, `${layers.length} layers`);
    assert.ok(layers.length < PULLS * LAYERS, `${layers.length} layers`);
    const { warnings } = (await (await fetch(`${relay.admin}/readyz`)).json()) as { warnings: string[] };
    for (const port of CACHES) assert.match(warnings.join('\n'), new RegExp(`parent proxy http://127.0.0.1:${port} `));
    await assert.rejects(access(join(lab.folder, 'no-ca')), { code: 'ENOENT' });
  });
});
