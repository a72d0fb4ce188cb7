import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type FakeParent, startFakeParent } from '../support/fake-parent.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet, type Way } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Proxies above this one.
 *
 * A relay on a node has no CA key and opens nothing: it leads its clients to shared caches as long as one is there, and
 * to the registry itself when they are gone. Entrepots in a chain fetch once what several of them want. A ring of
 * proxies is noticed and explained.
 */

const MIB = 1024 * 1024;

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('integration/parent-proxies', () => {
  let registry: FakeRegistry;
  let bytes: Buffer;
  let digest: string;
  const open: { close(): Promise<void> }[] = [];

  beforeEach(async () => {
    registry = await startFakeRegistry();
    bytes = seededBytes(2 * MIB, 'parents');
    digest = registry.content.addBlob('library/app', bytes).digest;
  });
  afterEach(async () => {
    for (const one of open.splice(0).toReversed()) await one.close();
    await registry.close();
  });

  async function start(flags: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
    const proxy = await startProxy({ registries: [registry], flags });
    open.push(proxy);
    return proxy;
  }

  /** A proxy that opens nothing, and has these ways out. */
  function startRelay(ways: readonly string[]): Promise<TestProxy> {
    const ports = [registry.authority, registry.tokenAuthority, registry.cdnAuthority];
    return start({
      intercept: 'none',
      'connect-ports': ports.map((place) => place.slice(place.lastIndexOf(':') + 1)).join(','),
      'upstream-proxy': ways.join(','),
    });
  }

  async function startParent(): Promise<FakeParent> {
    const parent = await startFakeParent();
    open.push({ close: () => parent.kill() });
    return parent;
  }

  const urlOf = ({ host, port }: { host: string; port: number }): string => `http://${host}:${port}`;

  function getBlob(way: Way): Promise<ProxyAnswer> {
    return proxyGet({ ...way, authority: registry.authority, path: `/v2/library/app/blobs/${digest}` });
  }

  it('is a relay without a key: the shared cache first, the registry itself when that is gone', async () => {
    const cache = await start();
    const relay = await startRelay([urlOf(cache.place), 'direct']);
    assert.equal(relay.app.authority, undefined);
    await assert.rejects(stat(join(relay.folder, 'ca')), { code: 'ENOENT' });
    const admin = `http://127.0.0.1:${relay.app.admin?.port}`;
    assert.equal((await fetch(`${admin}/ca.crt`)).status, 404);
    assert.equal((await fetch(`${admin}/readyz`)).status, 200);
    const trusted = [cache.way.ca, relay.way.ca].flat();
    const way = { proxy: relay.place, ca: trusted };
    assert.ok((await getBlob(way)).body.equals(bytes));
    await cache.settled();
    const again = await getBlob(way);
    assert.match(again.header('cache-status') ?? '', /^entrepot; hit/);
    await cache.app.stop();
    const straight = await getBlob(way);
    assert.ok(straight.body.equals(bytes));
    assert.equal(straight.header('cache-status'), undefined);
  });

  it('loses none of 100 pulls when both caches above are killed in the middle', async () => {
    const image = registry.content.addImage('library/app', 'v1', { layers: [bytes, seededBytes(MIB, 'second')] });
    const parents = [await startParent(), await startParent()];
    const relay = await startRelay([...parents.map(({ address }) => urlOf(address)), 'direct']);
    let cut = 0;

    /** As real clients do, each starts over when its connection breaks. */
    async function pull(): Promise<string> {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const request = { ...relay.way, authority: registry.authority, repository: 'library/app', reference: 'v1' };
          return (await pullImage({ ...request, style: 'docker' })).digest;
        } catch (error) {
          cut += 1;
          if (attempt === 5) throw error;
        }
      }
    }

    const pulls = Array.from({ length: 100 }, pull);
    await registry.arrived({ kind: 'blob', method: 'GET' }, 20);
    await Promise.all(parents.map((parent) => parent.kill()));
    const pulled = await Promise.all(pulls);
    assert.equal(pulled.length, 100);
    assert.deepEqual([...new Set(pulled)], [image.digest]);
    assert.ok(cut > 0, 'the caches were killed when all was over');
    assert.ok((parents[0]?.seen.length ?? 0) > 20);
  }).timeout(120_000);

  it('fetches once what several entrepots below another one want at a time', async () => {
    const outer = await start();
    const roots = join(outer.folder, 'outer-and-registry.pem');
    await writeFile(roots, [outer.way.ca].flat().join('\n'));
    const flags = { 'upstream-proxy': urlOf(outer.place), 'upstream-ca': roots };
    const inner = [await start(flags), await start(flags)];
    const rule = registry.misbehave({ kind: 'blob', method: 'GET' }, { stall: MIB });
    const answers = inner.flatMap(({ way }) => Array.from({ length: 10 }, () => getBlob(way)));
    await rule.stalled();
    rule.release();
    for (const answer of await Promise.all(answers)) assert.ok(answer.complete && answer.body.equals(bytes));
    const whole = registry.find({ kind: 'blob', method: 'GET' }).filter(({ path }) => path.includes(digest));
    assert.equal(whole.length, 1);
    for (const proxy of inner) await proxy.settled();
    const again = await Promise.all(inner.map(({ way }) => getBlob(way)));
    for (const answer of again) assert.match(answer.header('cache-status') ?? '', /^entrepot; hit/);
  });

  it('A14: says 508 where proxies stand in a ring, and names the one above', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const common = { 'connect-ports': registry.authority.slice(registry.authority.lastIndexOf(':') + 1) };
    const ways = { listen: `127.0.0.1:${first}`, 'upstream-proxy': `http://127.0.0.1:${second}` };
    const opening = await start({ ...common, ...ways });
    await start({
      ...common,
      intercept: 'none',
      listen: `127.0.0.1:${second}`,
      'upstream-proxy': `http://127.0.0.1:${first}`,
    });
    const answer = await getBlob(opening.way);
    assert.equal(answer.status, 508);
    assert.match(answer.body.toString(), /parent proxy .* leads back/);
    assert.equal(registry.requests.length, 0);
  });

  it('tells how many parents are left out', async () => {
    const parent = await startParent();
    const relay = await startRelay([urlOf(parent.address), 'direct']);
    assert.equal(await relay.metric('entrepot_parents_away'), 0);
    await parent.kill();
    for (let i = 0; i < 3; i += 1) assert.ok((await getBlob(relay.way)).body.equals(bytes));
    assert.equal(await relay.metric('entrepot_parents_away'), 1);
    const ready = await fetch(`http://127.0.0.1:${relay.app.admin?.port}/readyz`);
    const { warnings } = (await ready.json()) as { warnings: string[] };
    assert.deepEqual(warnings, [`the parent proxy ${urlOf(parent.address)} cannot be used`]);
  });

  it('names the parent that refuses, in an answer of its own', async () => {
    const parent = await startParent();
    const proxy = await start({ 'upstream-proxy': urlOf(parent.address) });
    parent.refuse(407);
    const answer = await getBlob(proxy.way);
    assert.equal(answer.status, 502);
    assert.match(answer.body.toString(), new RegExp(`parent proxy ${urlOf(parent.address)} asks for a password`));
  });
});
