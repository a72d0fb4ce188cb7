import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { hasDigest, type ProxyRequest, proxyGet, proxyOpen } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * One download, however many clients.
 *
 * The first request for a cold blob starts a download that belongs to nobody. Everyone who asks for the same blob of
 * the same repository while it runs reads along: the registry sees one GET. The download goes at the registry's pace:
 * a client that stops reading, or goes away, changes nothing for it or for the others, and what it brought is stored
 * even when nobody is left. A registry that refuses one client's download has refused nobody else.
 */

const MIB = 1024 * 1024;

describe('integration/flights', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let bytes: Buffer;
  let digest: string;
  let request: ProxyRequest;

  beforeEach(async () => {
    registry = await startFakeRegistry({ delivery: { redirect: 307 } });
    bytes = seededBytes(8 * MIB, 'flight');
    digest = registry.content.addBlob('library/app', bytes).digest;
    proxy = await startProxy({ registries: [registry] });
    request = { ...proxy.way, authority: registry.authority, path: `/v2/library/app/blobs/${digest}` };
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  function downloads(): number {
    return registry.hits({ kind: 'data', method: 'GET' }) - registry.find({ kind: 'data' }).filter(isProbe).length;
  }

  it('H15 answers 100 clients with one download', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 2 * MIB });
    const clients = Array.from({ length: 100 }, () => proxyOpen(request));
    const answers = await Promise.all(clients);
    await rule.stalled();
    rule.release();
    const bodies = await Promise.all(answers.map((answer) => answer.rest()));
    for (const body of bodies) {
      assert.equal(body.complete, true);
      assert.ok(body.body.equals(bytes));
    }
    assert.equal(downloads(), 1);
    const said = bodies.map((answer) => answer.header('cache-status') ?? '');
    assert.equal(said.filter((text) => /; collapsed/.test(text)).length, 99, said.join('\n'));
    await proxy.settled();
    assert.equal((await proxyGet(request)).header('cache-status')?.startsWith('entrepot; hit'), true);
    assert.equal(downloads(), 1);
  });

  it('gives a follower its first bytes while the download is still going on', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 3 * MIB });
    const first = await proxyOpen(request);
    await rule.stalled();
    const second = await proxyOpen(request);
    assert.ok((await second.read(2 * MIB)).equals(bytes.subarray(0, 2 * MIB)));
    rule.release();
    assert.ok((await first.rest()).body.equals(bytes));
    assert.ok((await second.rest()).body.equals(bytes.subarray(2 * MIB)));
  });

  it('H14 goes on for the others when the first client stops reading', async () => {
    const first = await proxyOpen(request);
    await first.read(1000);
    const others = await Promise.all([1, 2, 3].map(() => proxyGet(request)));
    for (const other of others) assert.ok(other.body.equals(bytes));
    assert.ok((await first.rest()).body.equals(bytes.subarray(1000)));
    assert.equal(downloads(), 1);
  });

  it('H13 goes on for the others when the first client dies at a tenth', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 2 * MIB });
    const first = await proxyOpen(request);
    await first.read(bytes.length / 10);
    const second = await proxyOpen(request);
    await rule.stalled();
    first.hangUp();
    rule.release();
    assert.ok((await second.rest()).body.equals(bytes));
    assert.equal(downloads(), 1);
    assert.equal(registry.find({ kind: 'data' }).filter((one) => one.outcome === 'aborted').length, 0);
  });

  it('H13 finishes and stores what it began when every client has died', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 2 * MIB });
    const clients = await Promise.all([1, 2, 3].map(() => proxyOpen(request)));
    await rule.stalled();
    for (const client of clients) client.hangUp();
    rule.release();
    await proxy.settled();
    assert.match((await proxyGet(request)).header('cache-status') ?? '', /^entrepot; hit/);
    assert.equal(downloads(), 1);
  });

  it('breaks every follower off when the registry won’t go on, and asks again for the next', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 2 * MIB, truncateAt: 3 * MIB }, 1);
    const clients = await Promise.all(Array.from({ length: 10 }, () => proxyOpen(request)));
    await rule.stalled();
    const refusal = registry.misbehave({ kind: 'blob', method: 'GET' }, { status: 404 });
    rule.release();
    for (const answer of await Promise.all(clients.map((client) => client.rest()))) {
      assert.equal(answer.complete, false);
      assert.ok(bytes.subarray(0, answer.body.length).equals(answer.body));
    }
    refusal.remove();
    const again = await proxyGet(request);
    assert.ok(again.body.equals(bytes));
    assert.equal(downloads(), 2);
  });

  it('does not share one client’s refusal', async () => {
    registry.delivery = { redirect: 0 };
    registry.misbehave({ kind: 'blob', method: 'GET' }, { status: 429, setHeaders: { 'Retry-After': '7' } }, 1);
    const all = Array.from({ length: 5 }, (_, i) => ({ ...request, headers: ['Authorization', `Bearer ${i}`] }));
    const answers = await Promise.all(all.map(proxyGet));
    const refused = answers.filter((answer) => answer.status === 429);
    assert.ok(refused.length <= 1);
    for (const answer of answers.filter((one) => one.status === 200)) assert.ok(hasDigest(answer.body, digest));
    assert.equal(answers.length - refused.length >= 4, true);
  });

  it('keeps downloads of two repositories apart where the content is not known to be public', async () => {
    registry.auth.mode = 'basic';
    registry.auth.setAccess('library/app', ['alice']);
    registry.auth.setAccess('other/app', ['bob']);
    registry.content.addBlob('other/app', bytes);
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: MIB });
    const alice = await proxyOpen({ ...request, headers: ['Authorization', `Basic ${btoa('alice:secret')}`] });
    await rule.stalled();
    const bob = await proxyOpen({
      ...request,
      path: `/v2/other/app/blobs/${digest}`,
      headers: ['Authorization', `Basic ${btoa('bob:hunter2')}`],
    });
    await rule.stalled(2);
    rule.release();
    for (const answer of [alice, bob]) assert.ok((await answer.rest()).body.equals(bytes));
    assert.equal(downloads(), 2);
  });
});

function isProbe({ sentBytes, headers }: { sentBytes: number; headers: readonly string[] }): boolean {
  return sentBytes <= 1 && headers.includes('bytes=0-0');
}
