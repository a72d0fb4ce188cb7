import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/cli/run.js';
import type { BlobPage, Image, ImagePage, RemovalReport, StoreStats } from '../../src/inventory/contract.js';
import { createFakeIo } from '../cli/fake-io.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type PulledImage, pullImage } from '../support/pull-image.js';
import { seededBytes, type TestImage } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/** What a command wrote; the proxy of the test is asked, or where it is stopped the folder is looked into. */
interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

const BASE = seededBytes(400_000, 'base');

describe('inventory of a proxy', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let amd64: TestImage;
  let arm64: TestImage;
  let web: TestImage;
  let bare: TestImage;
  let isRunning = true;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    const { content } = registry;
    amd64 = content.addImage('library/alpine', undefined, { layers: [BASE, seededBytes(90_000, 'own')] });
    arm64 = content.addImage('library/alpine', undefined, { label: 'arm64' });
    content.addIndex('library/alpine', '3.20', [amd64, arm64]);
    web = content.addImage('app/web', 'v1', { layers: [BASE, seededBytes(20_000, 'web')] });
    bare = content.addImage('app/web', undefined, { layers: [seededBytes(5_000, 'bare')] });
    proxy = await startProxy({ registries: [registry] });
    isRunning = true;
    for (const [repository, reference] of [
      ['library/alpine', '3.20'],
      ['app/web', 'v1'],
      ['app/web', bare.digest],
    ] as const) {
      await pull(repository, reference);
    }
    await proxy.settled();
  });

  afterEach(async () => {
    await proxy.close();
    await registry.close();
  });

  function pull(repository: string, reference: string): Promise<PulledImage> {
    return pullImage({ ...proxy.way, authority: registry.authority, repository, reference, style: 'docker' });
  }

  /** A command with the options of this proxy. */
  async function entrepot(...argv: string[]): Promise<Ran> {
    const io = createFakeIo({ env: { HOME: proxy.folder } });
    const place = isRunning ? ['--admin', `http://127.0.0.1:${proxy.app.admin?.port}`] : [];
    const code = await run([...argv, '--data-dir', join(proxy.folder, 'data'), ...place], io, 100);
    return { code, ...io.written };
  }

  async function json<T>(...argv: string[]): Promise<T> {
    const { code, out, error } = await entrepot(...argv, '--json');
    assert.equal(code, 0, error);
    return JSON.parse(out) as T;
  }

  function named(name: string): string {
    return `${registry.authority}/${name}`;
  }

  /** The rest of the figures is about a process, not about the store. */
  async function totals(): Promise<unknown> {
    const { bytes, entries } = await json<StoreStats>('cache', 'stats');
    return { bytes, entries };
  }

  /** What the commands say of the whole store. */
  async function seen(): Promise<unknown> {
    return {
      stats: await totals(),
      images: await json('cache', 'ls'),
      blobs: await json('cache', 'ls', '--blobs', '--sort', 'digest'),
      tree: await json('cache', 'show', named('library/alpine:3.20')),
      blob: await json('cache', 'show', amd64.config.digest),
      removal: await json('cache', 'rm', '--dry-run', named('app/web')),
      verified: await json('cache', 'verify'),
      pins: await json('cache', 'pin'),
    };
  }

  it('says the same through the API and, stopped, of the folder', async () => {
    await entrepot('cache', 'pin', named('app/web:v1'));
    const running = await seen();
    await proxy.app.stop();
    isRunning = false;
    assert.deepEqual(await seen(), running);
  });

  it('lists what was pulled, by tag and by digest', async () => {
    const images = await json<ImagePage['images']>('cache', 'ls');
    const web1 = images.find(({ image }) => image === named('app/web:v1'));
    assert.deepEqual(
      images.map(({ image, heldParts, knownParts, platforms }) => [image, heldParts, knownParts, platforms]),
      [
        [named('app/web:v1'), 4, 4, ['linux/amd64']],
        [named('library/alpine:3.20'), 5, 6, ['linux/amd64']],
        [named(`app/web@${bare.digest}`), 3, 3, ['linux/amd64']],
      ],
    );
    const sizes = [web, web.config, ...web.layers].map(({ bytes }) => bytes.length);
    assert.equal(
      web1?.heldBytes,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    const blobs = await json<BlobPage['blobs']>('cache', 'ls', '--blobs', '--sort', 'size');
    assert.equal(blobs.length, 11);
    assert.equal(blobs[0]?.digest, amd64.layers[0]?.digest);
  });

  it('shows which parts of an image are held, and who delivered them', async () => {
    const { tree } = await json<Image>('cache', 'show', named('library/alpine:3.20'));
    const [first, second] = tree.parts ?? [];
    assert.deepEqual([first?.platform, first?.held, first?.parts?.length], ['linux/amd64', true, 3]);
    assert.deepEqual([second?.platform, second?.held, second?.digest], ['linux/arm64', false, arm64.digest]);
    assert.deepEqual(
      first?.parts?.map(({ kind }) => kind),
      ['config', 'layer', 'layer'],
    );
    assert.ok(first?.parts?.[1]?.repositories?.includes(named('library/alpine')));
  });

  for (const way of ['through the API', 'on the folder'] as const) {
    it(`removes an image ${way}, keeps what another shares, and the next pull is whole`, async () => {
      if (way === 'on the folder') {
        await proxy.app.stop();
        isRunning = false;
      }
      const report = await json<RemovalReport>('cache', 'rm', named('library/alpine:3.20'));
      assert.equal(report.removed.entries, 4);
      assert.deepEqual(report.sharedWith, [named('app/web:v1')]);
      assert.deepEqual(report.shared, { entries: 1, bytes: BASE.length });
      assert.equal((await entrepot('cache', 'show', named('library/alpine:3.20'))).code, 1);
      const files = await readdir(join(proxy.folder, 'data', 'blobs'), { recursive: true });
      const gone = [amd64, amd64.config, amd64.layers[1]].map((part) => part?.digest.slice('sha256:'.length));
      assert.ok(!files.some((file) => gone.some((hex) => hex !== undefined && file.includes(hex))));
      assert.equal(files.filter((file) => file.endsWith('.sum')).length, 7);
      if (way === 'on the folder') {
        proxy = await proxy.restart();
        isRunning = true;
      }

      const pulled = await pull('library/alpine', '3.20');
      assert.equal(pulled.blobs.length, 3);
      // Nothing of what was removed came from memory.
      for (const { digest, cacheStatus } of [...pulled.manifests, ...pulled.blobs]) {
        const isShared = digest === amd64.layers[0]?.digest;
        assert.match(cacheStatus ?? '', isShared ? /hit|fwd=/ : /fwd=/, digest);
      }
      const other = await pull('app/web', 'v1');
      for (const { cacheStatus } of other.blobs) assert.match(cacheStatus ?? '', /^entrepot; hit/);
    });
  }

  it('removes a content from memory too', async () => {
    assert.match((await pull('app/web', 'v1')).blobs[0]?.cacheStatus ?? '', /^entrepot; hit/);
    assert.equal((await entrepot('cache', 'rm', web.config.digest)).code, 0);
    const again = (await pull('app/web', 'v1')).blobs.find(({ digest }) => digest === web.config.digest);
    assert.match(again?.cacheStatus ?? '', /fwd=/);
  });

  it('removes a repository and a registry with all that is known of them', async () => {
    const report = await json<RemovalReport>('cache', 'rm', named('app/web'));
    assert.equal(report.tags, 1);
    assert.deepEqual(
      (await json<ImagePage['images']>('cache', 'ls')).map(({ image }) => image),
      [named('library/alpine:3.20')],
    );
    assert.equal((await entrepot('cache', 'rm', `${registry.authority}/`)).code, 0);
    assert.deepEqual(await json('cache', 'ls'), []);
    assert.deepEqual(await json('cache', 'ls', '--blobs'), []);
    assert.deepEqual(await totals(), { bytes: 0, entries: 0 });
    await pull('app/web', 'v1');
  });

  it('keeps what is pinned from removal, until it is unpinned', async () => {
    assert.equal((await entrepot('cache', 'pin', named('app/web:v1'))).code, 0);
    const pinned = await json<RemovalReport>('cache', 'prune', '--to-size', '0');
    assert.equal(pinned.pinned.entries, 4);
    assert.deepEqual(
      (await json<ImagePage['images']>('cache', 'ls')).map(({ image, pinned }) => [image, pinned]),
      [[named('app/web:v1'), true]],
    );
    assert.equal((await entrepot('cache', 'unpin', named('app/web:v1'))).code, 0);
    assert.equal((await json<RemovalReport>('cache', 'rm', named('app/web:v1'))).removed.entries, 4);
  });

  it('takes damaged content away when it is told to verify', async () => {
    const [layer] = bare.layers;
    assert.ok(layer);
    const hex = layer.digest.slice('sha256:'.length);
    const file = join(proxy.folder, 'data', 'blobs', 'sha256', hex.slice(0, 2), hex);
    await writeFile(file, Buffer.alloc(layer.bytes.length));
    const { code, out } = await entrepot('cache', 'verify', named(`app/web@${bare.digest}`));
    assert.equal(code, 1);
    assert.match(out, new RegExp(`Damaged: 1\\..*\\n  ${layer.digest}\\n`));
    assert.equal((await entrepot('cache', 'show', layer.digest)).code, 1);
    const again = await pull('app/web', bare.digest);
    assert.ok(again.blobs.some(({ digest, bytes }) => digest === layer.digest && bytes.equals(layer.bytes)));
  });

  it('K08: removes images while they are pulled, and every pull is whole', async () => {
    const pulling = new AbortController();
    const removing = (async () => {
      let rounds = 0;
      while (!pulling.signal.aborted || rounds === 0) {
        await entrepot('cache', 'rm', named('library/alpine:3.20'), named('app/web:v1'));
        rounds += 1;
      }
      return rounds;
    })();
    for (let n = 0; n < 15; n += 1) {
      const [one, two] = await Promise.all([pull('library/alpine', '3.20'), pull('app/web', 'v1')]);
      assert.deepEqual([one.blobs.length, two.blobs.length], [3, 3]);
    }
    pulling.abort();
    assert.ok((await removing) > 0);
  });
});
