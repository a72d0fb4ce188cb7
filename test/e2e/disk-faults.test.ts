import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../lab/command.js';
import { publish } from '../lab/fixtures.js';
import { makeImage, type SourceImage } from '../lab/images.js';
import type { Client } from './clients/client.js';
import { startSkopeo } from './clients/skopeo.js';
import { whileFailing } from './failing-calls.js';
import { isReady, type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { deliveredBlobs, observe } from './upstream-counts.js';

/*
 * Disks that fill up, fail and rot under the built proxy while skopeo pulls through it. Every pull succeeds, with the
 * right bytes; what was lost is fetched again, and nothing has to be started again.
 */

describe('e2e: disks that fail', () => {
  const images: { readonly reference: string; readonly image: SourceImage }[] = [];
  let proxy: RunningProxy | undefined;
  let skopeo: Client;

  before(async () => {
    for (let n = 0; n < 5; n += 1) {
      const folder = join(session().lab.folder, `images/faulty${n}`);
      const image = await makeImage(folder, { seed: `faulty${n}`, layers: 25, layerBytes: 200_000 });
      await publish(image, `library/faulty${n}`);
      images.push({ reference: `quay.io/library/faulty${n}:v1`, image });
    }
  });

  afterEach(async () => {
    assert.equal(await proxy?.stop(), 0);
    proxy = undefined;
  });

  async function start(name: string, ...options: string[]): Promise<RunningProxy> {
    proxy = await startProxy(name, ...options);
    skopeo = await startSkopeo(join(session().lab.folder, `client-${name}`), proxy.url);
    return proxy;
  }

  async function pull({ reference, image }: (typeof images)[number]): Promise<void> {
    await skopeo.pull(reference);
    await skopeo.check(reference, image.platforms[0]);
    await skopeo.forget(reference);
  }

  async function untilReady(): Promise<void> {
    while (!(await isReady())) await delay(100);
  }

  /** Mounted within the lab's own namespace, so it is gone with the lab. */
  async function mountSmall(name: string, limit: string): Promise<void> {
    const folder = join(session().lab.folder, name);
    await mkdir(folder);
    await run('mount', ['-t', 'tmpfs', '-o', `${limit},mode=700`, 'tmpfs', folder]);
  }

  async function contents(name: string): Promise<{ readonly file: string; readonly digest: string }[]> {
    const root = join(session().lab.folder, name, 'blobs');
    const entries = await readdir(root, { recursive: true, withFileTypes: true });
    const files = entries.filter((one) => one.isFile() && !one.name.endsWith('.sum'));
    return files.map(({ parentPath, name: hex }) => ({ file: join(parentPath, hex), digest: hex }));
  }

  async function damagedFiles(name: string): Promise<string[]> {
    const damaged: string[] = [];
    for (const { file, digest } of await contents(name)) {
      const found = createHash('sha256')
        .update(await readFile(file))
        .digest('hex');
      if (found !== digest) damaged.push(digest);
    }
    return damaged;
  }

  for (const [what, name, limit] of [
    ['I04: serves every pull from a disk of 16 MiB', 'data-small', 'size=16m'],
    ['I15: serves every pull from a disk of 60 inodes', 'data-few', 'size=200m,nr_inodes=60'],
  ] as const) {
    it(what, async () => {
      await mountSmall(name, limit);
      await start(name);
      for (let round = 0; round < 2; round += 1) for (const one of images) await pull(one);
      assert.deepEqual(await damagedFiles(name), []);
    });
  }

  it('I08: delivers no wrong byte where a bit has flipped in one file of a hundred, and heals them all', async () => {
    await start('data-rotten');
    for (const one of images) await pull(one);
    assert.equal(await proxy?.stop(), 0);
    const files = await contents('data-rotten');
    assert.ok(files.length >= 100);
    const chosen = files.filter((_, n) => n % 50 === 7);
    for (const { file } of chosen) {
      const handle = await open(file, 'r+');
      const byte = Buffer.alloc(1);
      await handle.read(byte, 0, 1, 40);
      byte[0] = (byte[0] ?? 0) ^ 16;
      await handle.write(byte, 0, 1, 40);
      await handle.close();
    }
    assert.equal((await damagedFiles('data-rotten')).length, chosen.length);
    await start('data-rotten');
    for (const one of images) await pull(one);
    for (const one of images) await pull(one);
    assert.deepEqual(await damagedFiles('data-rotten'), []);
    const requests = await observe(async () => {
      for (const one of images) await pull(one);
    });
    assert.deepEqual(deliveredBlobs(requests), []);
  });

  for (const [call, error, held] of [
    ['pwrite64', 'ENOSPC', 'nothing'],
    ['pwrite64', 'EIO', 'nothing'],
    ['fdatasync', 'EIO', 'nothing'],
    ['fsync', 'EIO', 'nothing'],
    ['rename', 'EDQUOT', 'nothing'],
    ['openat', 'EMFILE', 'nothing'],
    ['openat', 'EROFS', 'nothing'],
    ['pread64', 'EIO', 'all'],
  ] as const) {
    it(`I04 I05 I06 I07 I12: serves pulls where the N-th ${call} fails with ${error}, for every N that there is`, async () => {
      const name = `data-${call}-${error}`.toLowerCase();
      const { pid } = await start(name);
      const [platform] = session().lab.fixtures.moving[0].platforms;
      const reference = 'quay.io/library/moving:v1';
      async function pullAnew(): Promise<void> {
        await skopeo.pull(reference);
        await skopeo.check(reference, platform);
        await skopeo.forget(reference);
      }
      await pullAnew();
      let when = 1;
      for (let isMade = true; isMade; when += 1) {
        const blobs = join(session().lab.folder, name, 'blobs');
        if (held === 'nothing') await rm(blobs, { recursive: true, force: true });
        // A body that breaks off on the way is asked for again, by skopeo or by whoever started it.
        const pulling = held === 'nothing' ? pullAnew : () => pullAnew().catch(pullAnew);
        isMade = await whileFailing(pid, { call, error, when }, pulling);
      }
      assert.ok(when > 2, 'no call of this kind was made');
      await untilReady();
      await pullAnew();
      await pullAnew();
      assert.deepEqual(await damagedFiles(name), []);
    });
  }
});
