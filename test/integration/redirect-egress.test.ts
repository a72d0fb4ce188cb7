import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * Where redirects may not lead.
 *
 * The proxy follows the redirects of blobs itself, from a place in the network where clients are not. A registry, or a
 * CDN behind it, must not get it to connect to what only its own machine reaches, at no hop and in no spelling. The
 * registry here is on the one loopback address that is allowed; whatever listens elsewhere counts who comes.
 */

const HOME = '127.0.0.2';

describe('integration/redirect-egress', () => {
  const authority = createTestAuthority();
  const bytes = seededBytes(50_000, 'egress');
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let trap: net.Server;
  let port: number;
  let visits: number;
  let digest: string;

  beforeEach(async () => {
    visits = 0;
    trap = net.createServer((socket) => {
      visits += 1;
      socket.destroy();
    });
    trap.listen(0, '::');
    await once(trap, 'listening');
    port = (trap.address() as net.AddressInfo).port;
    registry = await startFakeRegistry({ host: HOME, authority });
    digest = registry.content.addBlob('a', bytes).digest;
    proxy = await startProxy({
      registries: [registry],
      flags: { ...openTo(port), 'egress-allow': `${HOME}/32`, deny: 'closed.test' },
    });
  });
  afterEach(async () => {
    await proxy.close();
    await registry.close();
    trap.close();
    await once(trap, 'close');
  });

  /** Opens further ports to redirects, so that the address alone decides. */
  function openTo(...ports: (number | undefined)[]): { 'connect-ports': string } {
    const cdn = registry.cdnAuthority.slice(registry.cdnAuthority.lastIndexOf(':') + 1);
    return { 'connect-ports': ['443', cdn, ...ports].join(',') };
  }

  async function assertRefused(words: RegExp): Promise<void> {
    const request = { ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${digest}` };
    const answer = await proxyGet(request);
    assert.ok(answer.status === 403 || answer.status === 502, `${answer.status}`);
    const { errors } = JSON.parse(answer.body.toString()) as { errors: { message: string }[] };
    assert.match(errors[0]?.message ?? '', words);
    assert.equal(visits, 0);
  }

  const TARGETS: readonly (readonly [what: string, host: string, words: RegExp])[] = [
    ['loopback', '127.0.0.1', /loopback/],
    ['loopback by name', 'localhost', /loopback/],
    ['loopback in IPv6', '[::1]', /loopback/],
    ['loopback as IPv4 within IPv6', '[::ffff:127.0.0.1]', /does not exist/],
    ['loopback in short', '127.1', /loopback/],
    ['loopback as one number', '2130706433', /loopback/],
    ['loopback in hexadecimal', '0x7f000001', /loopback/],
    ['loopback in other digits', encodeURIComponent('①②⑦.⓪.⓪.①'), /loopback/],
    ['the unspecified address', '0.0.0.0', /unspecified/],
    ['a metadata service', '169.254.169.254', /metadata/],
    ['a metadata service in IPv6', '[fd00:ec2::254]', /metadata/],
    ['a link-local address', '169.254.1.1', /link-local/],
    ['a link-local address in IPv6', '[fe80::1]', /link-local/],
    ['a multicast address', '224.0.0.1', /multicast/],
    ['a reserved address', '240.0.0.1', /reserved/],
  ];
  for (const [what, host, words] of TARGETS) {
    it(`A15: is not led to ${what}`, async () => {
      registry.delivery = { redirect: 307, location: (blob) => `https://${host}:${port}/${blob}` };
      await assertRefused(words);
    });
  }

  for (let hop = 1; hop <= 4; hop += 1) {
    it(`A15: is not led there at hop ${hop + 1} either`, async () => {
      registry.delivery = { redirect: 307, location: (blob) => `https://${registry.cdnAuthority}/hop/${hop}/${blob}` };
      const Location = `https://127.0.0.1:${port}/`;
      registry.misbehave({ server: 'cdn', path: /^\/hop\/1\// }, { status: 302, setHeaders: { Location } });
      await assertRefused(/loopback/);
      assert.equal(registry.hits({ server: 'cdn' }), hop);
    });
  }

  it('A15: is not led to its own ports, though their address is allowed', async () => {
    await proxy.close();
    proxy = await startProxy({ registries: [registry], flags: { 'egress-allow': '127.0.0.0/8' } });
    const { port: own } = proxy.app.proxy;
    const admin = proxy.app.admin?.port;
    proxy = await proxy.restart({
      ...openTo(own, admin),
      listen: `127.0.0.1:${own}`,
      'admin-listen': `127.0.0.1:${admin}`,
    });
    for (const place of [proxy.app.proxy, proxy.app.admin]) {
      registry.delivery = { redirect: 307, location: () => `https://127.0.0.1:${place?.port}/metrics` };
      await assertRefused(/this proxy itself/);
    }
  });

  it('A06: is not led to a port that is not open, wherever it is', async () => {
    registry.delivery = { redirect: 307, location: (blob) => `https://${HOME}:6443/${blob}` };
    await assertRefused(/leads to port 6443 of .* which is not open; --connect-ports/);
  });

  it('A15: is not led to private addresses where --egress-deny closes them', async () => {
    await proxy.close();
    const flags = { 'egress-allow': `${HOME}/32`, 'egress-deny': '10.0.0.0/8,192.168.0.0/16,fc00::/7' };
    proxy = await startProxy({ registries: [registry], flags });
    for (const host of ['10.0.0.1', '192.168.1.1', '[fd12::1]']) {
      registry.delivery = { redirect: 307, location: () => `https://${host}/` };
      await assertRefused(/--egress-deny/);
    }
  });

  it('A15: is not led by a challenge to ask for a token there', async () => {
    registry.misbehave(
      { server: 'registry', own: true },
      { status: 401, setHeaders: { 'WWW-Authenticate': `Bearer realm="https://127.0.0.1:${port}/token",service="x"` } },
    );
    const content = registry.content.addImage('a', 'v1');
    const path = `/v2/a/manifests/${content.digest}`;
    const answer = await proxyGet({ ...proxy.way, authority: registry.authority, path });
    assert.equal(answer.status, 200);
    await registry.arrived({ own: true, status: 401 });
    assert.equal(visits, 0);
  });
});
