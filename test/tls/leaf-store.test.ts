import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type Authority, openAuthority } from '../../src/tls/authority.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { handshake } from './fixtures/handshake.js';

const DAY_MS = 86_400_000;

describe('tls/leaf-store', () => {
  let dir: TempDir;
  let authority: Authority;

  before(async () => {
    dir = await createTempDir();
    authority = await openAuthority(dir.path);
  });

  after(() => dir.remove());

  for (const host of ['registry.test', '127.0.0.1', '::1', `${'a'.repeat(63)}.${'b'.repeat(63)}.test`]) {
    it(`has Node accept the certificate of ${host}`, async () => {
      const store = createLeafStore(authority);
      const { client, peer, close } = await handshake(store.contextFor(host), authority.certificatePem, host);
      assert.equal(client.authorized, true);
      assert.ok(peer.subjectaltname?.includes(':'));
      await close();
    });
  }

  it('has Node refuse the certificate of another host', async () => {
    const store = createLeafStore(authority);
    await assert.rejects(handshake(store.contextFor('registry.test'), authority.certificatePem, 'other.test'), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('speaks no TLS below 1.2', async () => {
    const { client, close } = await handshake(
      createLeafStore(authority).contextFor('a.test'),
      authority.certificatePem,
      'a.test',
    );
    assert.equal(client.getProtocol(), 'TLSv1.3');
    await close();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const context = createLeafStore(authority).contextFor('a.test');
    await assert.rejects(handshake(context, authority.certificatePem, 'a.test', old), {
      code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    });
  });

  it('keeps one context per host', () => {
    const store = createLeafStore(authority);
    const first = store.contextFor('a.test');
    assert.equal(store.contextFor('a.test'), first);
    assert.notEqual(store.contextFor('b.test'), first);
    assert.deepEqual([store.size, store.issued], [2, 2]);
  });

  it('drops what was longest unused beyond its bound', () => {
    const store = createLeafStore(authority, { maxContexts: 2 });
    const a = store.contextFor('a.test');
    store.contextFor('b.test');
    store.contextFor('a.test');
    store.contextFor('c.test');
    assert.equal(store.size, 2);
    assert.equal(store.contextFor('a.test'), a);
    assert.equal(store.issued, 3);
    store.contextFor('b.test');
    assert.equal(store.issued, 4);
  });

  it('B16: holds no more than its bound however many hosts come', () => {
    const store = createLeafStore(authority, { maxContexts: 10 });
    for (let index = 0; index < 200; index += 1) store.contextFor(`host-${index}.test`);
    assert.deepEqual([store.size, store.issued], [10, 200]);
  });

  it('B16: stays at 1,000 contexts and does not grow with the number of hosts', () => {
    const store = createLeafStore(authority);
    function residentAfter(first: number, last: number): number {
      for (let index = first; index < last; index += 1) store.contextFor(`host-${index}.test`);
      return process.memoryUsage.rss();
    }
    const filled = residentAfter(0, 1500);
    const later = residentAfter(1500, 3500);
    assert.deepEqual([store.size, store.issued], [1000, 3500]);
    // 2,000 contexts that were kept would take 50 MiB.
    assert.ok(later - filled < 25 * 2 ** 20, `grew by ${(later - filled) / 2 ** 20} MiB`);
  }).timeout(60_000);

  it('B05: issues anew after two thirds of the life of a leaf, and when the clock was set back', () => {
    let now = Date.now();
    const store = createLeafStore(authority, { now: () => now });
    const first = store.contextFor('a.test');
    now += 57 * DAY_MS;
    assert.equal(store.contextFor('a.test'), first);
    now += 2 * DAY_MS;
    const second = store.contextFor('a.test');
    assert.notEqual(second, first);
    assert.equal(store.contextFor('a.test'), second);
    now -= 62 * DAY_MS;
    assert.notEqual(store.contextFor('a.test'), second);
    assert.deepEqual([store.size, store.issued], [1, 3]);
  });

  it('leaves a connection alone whose context it drops', async () => {
    const store = createLeafStore(authority, { maxContexts: 1 });
    const { client, server, close } = await handshake(store.contextFor('a.test'), authority.certificatePem, 'a.test');
    store.contextFor('b.test');
    server.write('still here');
    const [bytes] = (await once(client, 'data')) as [Buffer];
    assert.equal(bytes.toString(), 'still here');
    await close();
  });

  it('leaves a handshake alone whose context it drops', async () => {
    const store = createLeafStore(authority, { maxContexts: 1 });
    const { close, client } = await handshake(store.contextFor('a.test'), authority.certificatePem, 'a.test', {}, () =>
      store.contextFor('b.test'),
    );
    assert.equal(client.authorized, true);
    await close();
  });

  it('throws when a dropped context is used for a new connection', () => {
    const store = createLeafStore(authority, { maxContexts: 1 });
    const dropped = store.contextFor('a.test');
    store.contextFor('b.test');
    const stream = new Duplex({ read() {}, write() {} });
    assert.throws(() => new TLSSocket(stream, { isServer: true, secureContext: dropped }), /had dropped it/);
    stream.destroy();
  });

  it('B15: passes on that no leaf can be issued, and keeps what it has', () => {
    const store = createLeafStore(authority);
    store.contextFor('a.test');
    assert.throws(() => store.contextFor('a b'), { name: 'ProxyError', code: 'bad-authority' });
    assert.deepEqual([store.size, store.issued], [1, 1]);
  });
});
