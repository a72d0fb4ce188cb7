import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { exchangeRaw } from '../support/raw-client.js';
import { seededBytes } from '../support/registry-content.js';
import { proxyFlags, startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Registries without TLS, and names that are not in the DNS.
 *
 * A client that is told of an insecure registry sends it plain requests through HTTP_PROXY, in absolute form; they are
 * answered as those inside a tunnel are. Where the registry is listed with `plainHttp`, its clients may speak TLS to
 * the proxy all the same. Both are one registry, of the scheme http.
 */

describe('integration/plain-http', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let folder: TempDir;
  const bytes = seededBytes(300_000, 'plain');
  let path: string;

  beforeEach(async () => {
    folder = await createTempDir();
    registry = await startFakeRegistry();
    const { digest } = registry.content.addBlob('library/app', bytes);
    path = `/v2/library/app/blobs/${digest}`;
  });
  afterEach(async () => {
    await proxy.close();
    await registry.close();
    await folder.remove();
  });

  async function start(yaml = '', flags: Readonly<Record<string, string>> = {}): Promise<void> {
    const config = join(folder.path, 'entrepot.yaml');
    await writeFile(config, yaml);
    const open = await proxyFlags(folder.path, { registries: [registry] });
    proxy = await startProxy({
      registries: [registry],
      flags: { config, 'connect-ports': open['connect-ports'] ?? '', ...flags },
    });
  }

  async function getPlain(authority: string): Promise<string> {
    const head = `GET http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`;
    return exchangeRaw(proxy.place, head);
  }

  it('A10: answers requests in absolute form from the store the second time', async () => {
    await start();
    const first = await getPlain(registry.plainAuthority);
    assert.match(first, /^HTTP\/1\.1 200 [\s\S]*cache-status: entrepot; fwd=uri-miss/i);
    await proxy.settled();
    const again = await getPlain(registry.plainAuthority);
    assert.match(again, /^HTTP\/1\.1 200 [\s\S]*cache-status: entrepot; hit/i);
    assert.ok(again.endsWith(bytes.toString('latin1')));
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), 1);
  });

  it('speaks TLS with clients for a registry that has none, and shares with requests in absolute form', async () => {
    await start(`registries:\n  "${registry.plainAuthority}":\n    plainHttp: true\n`);
    const secured = await proxyGet({ ...proxy.way, authority: registry.plainAuthority, path });
    assert.ok(secured.body.equals(bytes));
    await proxy.settled();
    assert.match(await getPlain(registry.plainAuthority), /cache-status: entrepot; hit/i);
    assert.equal(registry.hits({ kind: 'blob', method: 'GET' }), 1);
  });

  it('finds a registry whose addresses are named in the options, without a name server', async () => {
    const port = registry.plainAuthority.slice(registry.plainAuthority.lastIndexOf(':') + 1);
    await start(`resolve:\n  - registry.nowhere.test=127.0.0.1\n`, { 'egress-allow': '' });
    assert.match(await getPlain(`registry.nowhere.test:${port}`), /^HTTP\/1\.1 200 /);
    assert.match(await getPlain(`127.0.0.1:${port}`), /^HTTP\/1\.1 403 /);
  });
});
