import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { headerValue } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet, proxyOpen, type Way } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { digestText, seededBytes, type TestImage } from '../support/registry-content.js';
import { type ProxyProcess, StartFailed, spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Stops and starts of the program itself.
 *
 * What a client has had whole is still there after a stop, after a kill, and after the loss of the index. What was on
 * its way at a kill is gone on with: no half of it is ever given out as the whole, or to another repository. A signal
 * to stop lets a running transfer end and gives exit code 0. Two processes never share a folder.
 */

const SIZE = 4_000_000;

describe('integration/restart', function () {
  this.timeout(60_000);
  let registry: FakeRegistry;
  let folder: TempDir;
  let image: TestImage;
  let large: string;
  let proxies: ProxyProcess[];

  beforeEach(async () => {
    proxies = [];
    registry = await startFakeRegistry();
    image = registry.content.addImage('a', 'v1');
    large = registry.content.addBlob('a', seededBytes(SIZE, 'large')).digest;
    folder = await createTempDir();
  });
  afterEach(async () => {
    for (const proxy of proxies) if (proxy.process.exitCode === null) await proxy.end('SIGKILL');
    await registry?.close();
    await folder?.remove();
  });

  async function start(): Promise<ProxyProcess> {
    const proxy = await spawnProxy(folder.path, { registries: [registry] });
    proxies.push(proxy);
    return proxy;
  }

  function pull(way: Way): Promise<unknown> {
    return pullImage({ ...way, authority: registry.authority, repository: 'a', reference: 'v1', style: 'podman' });
  }

  function getLarge(way: Way): Promise<ProxyAnswer> {
    return proxyGet({ ...way, authority: registry.authority, path: `/v2/a/blobs/${large}` });
  }

  function bodies(): string[] {
    const content = registry.find({ own: false, method: 'GET', status: 200 }).filter(({ kind }) => kind !== 'ping');
    return content.map(({ path }) => path);
  }

  /** The range of the one download of a blob, the question for its first byte left out. */
  function rangeOf(digest: string): string {
    const sent = registry.find({ reference: digest, method: 'GET' });
    const ranges = sent.map(({ headers }) => headerValue(headers, 'range')).filter((range) => range !== 'bytes=0-0');
    assert.equal(ranges.length, 1);
    return ranges[0] ?? '';
  }

  /** Resolves when the proxy has noted something of a running download. */
  async function noted(): Promise<void> {
    while (!(await readdir(join(folder.path, 'data', 'spool'))).some((name) => name.endsWith('.kept')));
  }

  /** Resolves when no download is under way: a client has its bytes a moment before they are on disk. */
  async function settled({ output }: ProxyProcess): Promise<void> {
    const [, admin = ''] = /"adminListen":"([^"]+)"/.exec(output()) ?? [];
    const isFilling = async (): Promise<boolean> => {
      const metrics = await (await fetch(`http://${admin}/metrics`)).text();
      return !/^entrepot_fills_in_flight 0$/m.test(metrics);
    };
    while (await isFilling());
  }

  /** Every file under blobs/ that is content must be what its name says. */
  async function assertSound(): Promise<string[]> {
    const blobs = join(folder.path, 'data', 'blobs');
    const files = (await readdir(blobs, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const contents = files.filter(({ name }) => /^[0-9a-f]+$/.test(name));
    for (const { parentPath, name } of contents) {
      const digest = digestText(await readFile(join(parentPath, name)));
      assert.equal(digest, `sha256:${name}`);
    }
    return contents.map(({ name }) => name);
  }

  it('gives everything from disk after a stop, and after the loss of its index', async () => {
    let proxy = await start();
    await pull(proxy.way);
    assert.equal(await proxy.end('SIGTERM'), 0);

    registry.forget();
    proxy = await start();
    await pull(proxy.way);
    assert.deepEqual(bodies(), []);
    assert.equal(await proxy.end('SIGINT'), 0);

    const data = join(folder.path, 'data');
    const index = (await readdir(data)).filter((name) => /^index\b.*sqlite/.test(name));
    assert.ok(index.length > 0);
    for (const name of index) await rm(join(data, name));
    registry.forget();
    proxy = await start();
    await pull(proxy.way);
    assert.deepEqual(
      bodies().filter((path) => path.includes('/blobs/')),
      [],
    );
    assert.ok(bodies().length <= 1, `${bodies().join(' ')}: a tag that it has forgotten may cost one manifest`);
  });

  it('I01: has what a client had whole before a kill', async () => {
    let proxy = await start();
    await pull(proxy.way);
    await getLarge(proxy.way);
    await settled(proxy);
    await proxy.end('SIGKILL');
    registry.forget();
    proxy = await start();
    const answer = await getLarge(proxy.way);
    assert.equal(digestText(answer.body), large);
    assert.deepEqual(bodies(), []);
    await assertSound();
  });

  it('H17 is killed in the middle of a download, and goes on where it was', async () => {
    let proxy = await start();
    const rule = registry.misbehave({ reference: large, method: 'GET' }, { stall: SIZE / 2 }, 1);
    const client = await proxyOpen({ ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${large}` });
    await rule.stalled();
    await client.read(SIZE / 4);
    await noted();
    await proxy.end('SIGKILL');
    assert.equal((await client.rest()).complete, false);

    proxy = await start();
    assert.deepEqual(await assertSound(), [], 'what is not whole counts for nothing');
    registry.forget();
    const answer = await getLarge(proxy.way);
    assert.equal(digestText(answer.body), large);
    assert.doesNotMatch(answer.header('cache-status') ?? '', /hit/);
    assert.match(rangeOf(large), /^bytes=[1-9][0-9]*-$/);
    await pull(proxy.way);
    assert.equal(await proxy.end('SIGTERM'), 0);
    assert.equal((await assertSound()).includes(large.slice(7)), true);
    assert.deepEqual(await readdir(join(folder.path, 'data', 'spool')), []);
  });

  it('H17 goes on after a stop with what it had', async () => {
    let proxy = await start();
    const rule = registry.misbehave({ reference: large, method: 'GET' }, { stall: SIZE - 1000 }, 1);
    const client = await proxyOpen({ ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${large}` });
    await rule.stalled();
    await client.read(SIZE / 2);
    assert.equal(await proxy.end('SIGTERM'), 0);
    assert.equal((await client.rest()).complete, false);

    proxy = await start();
    registry.forget();
    assert.equal(digestText((await getLarge(proxy.way)).body), large);
    assert.match(rangeOf(large), /^bytes=[1-9][0-9]*-$/);
  });

  it('E04 keeps the beginning of a download to the repository that delivered it', async () => {
    let proxy = await start();
    registry.content.addBlob('b', seededBytes(SIZE, 'large'));
    const rule = registry.misbehave({ reference: large, method: 'GET' }, { stall: SIZE / 2 }, 1);
    const client = await proxyOpen({ ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${large}` });
    await rule.stalled();
    await client.read(SIZE / 4);
    await noted();
    await proxy.end('SIGKILL');
    await client.rest();

    proxy = await start();
    registry.forget();
    const other = await proxyGet({ ...proxy.way, authority: registry.authority, path: `/v2/b/blobs/${large}` });
    assert.equal(digestText(other.body), large);
    assert.equal(rangeOf(large), '');
  });

  it('I19: lets a running transfer end at a signal', async () => {
    const proxy = await start();
    const rule = registry.misbehave({ reference: large, method: 'GET' }, { stall: SIZE / 2 }, 1);
    const client = await proxyOpen({ ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${large}` });
    await rule.stalled();
    const ended = proxy.end('SIGTERM');
    rule.release();
    assert.equal(digestText((await client.rest()).body), large);
    assert.equal(await ended, 0);
  });

  it('I14: does not share its folder with a second process', async () => {
    const proxy = await start();
    await assert.rejects(start(), (error) => {
      assert.ok(error instanceof StartFailed);
      assert.ok(error.code === 1 || error.code === 2, `${error.code}`);
      assert.match(error.message, /data|in use|process/);
      return true;
    });
    await pull(proxy.way);
  });

  it('says no secret in its log', async () => {
    registry.auth.mode = 'basic';
    registry.auth.setAccess('a', ['alice']);
    registry.delivery = { redirect: 307 };
    const proxy = await start();
    const credential = { user: 'alice', password: 'secret' };
    const request = { ...proxy.way, authority: registry.authority, repository: 'a', reference: 'v1', credential };
    await pullImage({ ...request, style: 'docker' });
    registry.misbehave({ kind: 'data' }, { hangUp: true });
    await getLarge({ ...proxy.way }).catch(() => undefined);
    assert.equal(await proxy.end('SIGTERM'), 0);
    assert.match(proxy.output(), /"kind":"blob"/);
    for (const secret of ['signature=', 'Basic ', Buffer.from('alice:secret').toString('base64')]) {
      assert.equal(proxy.output().includes(secret), false, secret);
    }
    assert.ok(image.digest.length > 0);
  });
});
