import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet } from '../support/pull.js';
import { openTlsTunnel } from '../support/raw-client.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * Answers that no registry should give, as bytes on the wire.
 *
 * What two readers could read in two ways is answered with 502 and stored nowhere, whichever part of the proxy reads it:
 * the one for blobs, or the one for everything else. One answer never becomes part of another.
 */

const DIGEST = `sha256:${'a'.repeat(64)}`;
/** A ping and a list by one reader, a blob by the other, a manifest by digest and by tag. */
const PATHS = ['/v2/', '/v2/a/tags/list', `/v2/a/blobs/${DIGEST}`, `/v2/a/manifests/${DIGEST}`, '/v2/a/manifests/v1'];
const BODY = 'right';

function answer(lines: readonly string[], body = BODY): string {
  return `${['HTTP/1.1 200 OK', ...lines].join('\r\n')}\r\n\r\n${body}`;
}

const MALFORMED: readonly (readonly [string, string])[] = [
  [
    'Content-Length and chunked',
    answer(['Content-Length: 5', 'Transfer-Encoding: chunked'], '5\r\nright\r\n0\r\n\r\n'),
  ],
  ['two lengths', answer(['Content-Length: 5', 'Content-Length: 6'])],
  ['a negative length', answer(['Content-Length: -5'])],
  ['a length of 2^64', answer(['Content-Length: 18446744073709551616'])],
  ['a length with a sign', answer(['Content-Length: +5'])],
  ['a NUL in a header', answer(['X: a\0b', 'Content-Length: 5'])],
  ['a head of 80 KB', answer([`X: ${'x'.repeat(80_000)}`, 'Content-Length: 5'])],
  ['a status of two digits', answer(['Content-Length: 5']).replace('200 OK', '99 Odd')],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
];

describe('threats/answers of upstreams', function () {
  this.timeout(60_000);
  let upstream: tls.Server;
  let proxy: TestProxy;
  let authority: string;
  /** What the upstream says to the request with this head. */
  let reply: (head: string) => string;
  const sockets = new Set<tls.TLSSocket>();

  before(async () => {
    const certificates = createTestAuthority();
    const { certificatePem, keyPem } = certificates.issue(['127.0.0.1']);
    upstream = tls.createServer({ cert: certificatePem, key: keyPem }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      let text = '';
      socket.on('data', (bytes: Buffer) => {
        text += bytes.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          socket.write(reply(text.slice(0, end)), 'latin1');
          text = text.slice(end + 4);
        }
      });
    });
    upstream.listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    authority = `127.0.0.1:${(upstream.address() as AddressInfo).port}`;
    const places = { tokenAuthority: authority, cdnAuthority: authority, plainAuthority: authority };
    const registry = { authority, ...places, ca: certificates.certificatePem } as unknown as FakeRegistry;
    // Through an outage the proxy answers by itself, and a registry that speaks no HTTP has one.
    proxy = await startProxy({ registries: [registry], flags: { outage: 'fail' } });
  });
  after(async () => {
    await proxy?.close();
    for (const socket of sockets) socket.destroy();
    upstream?.close();
  });

  function send(path: string, method = 'GET'): Promise<ProxyAnswer> {
    return proxyGet({ ...proxy.way, authority, path, method, headers: ['Accept', '*/*'] });
  }

  /** The next request gets its own answer, and nothing of what came before. */
  async function assertInStep(): Promise<void> {
    reply = () => answer(['Content-Length: 5']);
    const next = await send('/v2/');
    assert.equal(next.status, 200);
    assert.equal(next.body.toString(), BODY);
    assert.equal(await proxy.metric('entrepot_store_entries'), 0);
  }

  for (const [what, text] of MALFORMED) {
    it(`answers 502 to an answer with ${what}, and keeps nothing of it (D16)`, async () => {
      for (const path of PATHS) {
        reply = () => text;
        const got = await send(path);
        assert.equal(got.status, 502, `${path}: ${got.body.toString()}`);
        assert.match(got.body.toString(), /"code":"UNAVAILABLE"/);
        assert.equal(got.body.includes(BODY), false);
        await assertInStep();
      }
    });
  }

  it('answers 502 to an answer with thousands of headers (D17)', async () => {
    for (const count of [201, 2_500]) {
      const lines = Array.from({ length: count }, (_, i) => `H${i}: x`);
      for (const path of PATHS) {
        reply = () => answer([...lines, 'Content-Length: 5']);
        assert.equal((await send(path)).status, 502, `${count} at ${path}`);
        await assertInStep();
      }
    }
  });

  it('takes no body where an answer has none (D15)', async () => {
    const stray = answer(['Content-Length: 8'], 'POISONED');
    for (const path of PATHS) {
      reply = () => answer(['Content-Length: 5']) + stray;
      const head = await send(path, 'HEAD');
      assert.equal(head.status, 200);
      assert.equal(head.body.length, 0);
      await assertInStep();
    }
    for (const status of ['204 No Content', '304 Not Modified']) {
      reply = () => `HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n${BODY}${stray}`;
      for (const path of ['/v2/', '/v2/a/tags/list']) {
        const got = await send(path);
        assert.ok(got.status === Number(status.slice(0, 3)) || got.status === 502, `${got.status}`);
        assert.equal(got.body.includes('POISONED') || got.body.toString() === BODY, false);
      }
      await assertInStep();
    }
  });

  it('switches no protocol that nobody asked to switch (D18)', async () => {
    for (const path of PATHS) {
      reply = () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n';
      assert.equal((await send(path)).status, 502, path);
      await assertInStep();
    }
  });

  it('drops interim answers, few or many, and passes odd statuses on without keeping them (D18)', async () => {
    for (const count of [1, 10, 100]) {
      reply = () => 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(count) + answer(['Content-Length: 5']);
      const got = await send('/v2/');
      assert.deepEqual(got.interim, []);
      assert.ok((got.status === 200 && got.body.toString() === BODY) || (count > 16 && got.status === 502));
      await assertInStep();
    }
    reply = () => answer(['Content-Length: 5']).replace('200 OK', '599 Odd');
    for (const path of PATHS) {
      const got = await send(path);
      assert.equal(got.status, 599);
      assert.equal(got.body.toString(), BODY);
    }
    await assertInStep();
  });
});

describe('threats/stray answers', function () {
  this.timeout(120_000);

  it('never take the place of another, in a thousand rounds on kept connections (D19)', async () => {
    await using registry = await startFakeRegistry();
    await using proxy = await startProxy({ registries: [registry] });
    const image = registry.content.addImage('a', 'v1');
    registry.misbehave(
      { server: 'registry' },
      { afterwards: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED') },
    );
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    const expected = new Map([
      ['/v2/', '{}'],
      ['/v2/a/tags/list', JSON.stringify({ name: 'a', tags: ['v1'] })],
      [`/v2/a/blobs/${image.config.digest}?uncached`, image.config.bytes.toString()],
    ]);
    const paths = [...expected.keys()];
    for (let round = 0; round < 1000; round += 1) {
      const path = paths[round % paths.length] ?? '';
      const got = await proxyGet({ ...proxy.way, authority: registry.authority, path, socket });
      assert.equal(got.body.toString(), expected.get(path), `round ${round}`);
    }
    socket.destroy();
  });
});
