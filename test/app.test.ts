import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { startApp } from '../src/app.js';
import { type Config, loadConfig } from '../src/config/load.js';
import { ConfigError } from '../src/errors.js';
import { createTempDir, type TempDir } from './support/temp-dir.js';

/** What the app does as a whole: it starts with everything in place, or not at all, and leaves nothing behind. */
describe('app', () => {
  let folder: TempDir;
  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(() => folder.remove());

  function config(flags: Record<string, string> = {}): Config {
    const own = {
      listen: '127.0.0.1:0',
      'admin-listen': '127.0.0.1:0',
      'data-dir': join(folder.path, 'data'),
      'ca-dir': join(folder.path, 'ca'),
      'log-level': 'silent',
    };
    return loadConfig({ flags: { ...own, ...flags }, env: {}, cwd: folder.path });
  }

  it('serves health, readiness, metrics and the CA, the latter on the proxy port too', async () => {
    const app = await startApp(config());
    try {
      const admin = `http://127.0.0.1:${app.admin?.port}`;
      assert.equal((await fetch(`${admin}/healthz`)).status, 200);
      assert.equal((await fetch(`${admin}/readyz`)).status, 200);
      assert.match(await (await fetch(`${admin}/metrics`)).text(), /^entrepot_store_entries 0$/m);
      const pem = await readFile(app.authority?.certificatePath ?? '', 'utf8');
      assert.equal(await (await fetch(`${admin}/ca.crt`)).text(), pem);
      assert.equal(await (await fetch(`http://127.0.0.1:${app.proxy.port}/ca.crt`)).text(), pem);
    } finally {
      await app.stop();
    }
  });

  it('gives its ports and its folder back when it stops, twice told or not', async () => {
    const first = await startApp(config());
    await Promise.all([first.stop(), first.stop()]);
    const again = await startApp(config({ listen: `127.0.0.1:${first.proxy.port}` }));
    assert.equal(again.proxy.port, first.proxy.port);
    assert.equal(again.authority?.fingerprintSha256, first.authority?.fingerprintSha256);
    await again.stop();
  });

  it('starts without an admin port', async () => {
    const app = await startApp(config({ 'admin-listen': 'off' }));
    assert.equal(app.admin, undefined);
    await app.stop();
  });

  it('says which port is busy, and leaves nothing listening or locked', async () => {
    const busy = net.createServer().listen(0, '127.0.0.1');
    await once(busy, 'listening');
    const { port } = busy.address() as net.AddressInfo;
    for (const option of ['listen', 'admin-listen']) {
      await assert.rejects(
        startApp(config({ [option]: `127.0.0.1:${port}` })),
        (error) => error instanceof ConfigError && error.message.includes(`--${option} 127.0.0.1:${port}`),
      );
    }
    busy.close();
    await (await startApp(config())).stop();
  });

  it('refuses a data folder in use by a running proxy', async () => {
    const app = await startApp(config());
    await assert.rejects(startApp(config()), /in use/);
    await app.stop();
  });

  it('refuses a CA key that everybody can read', async () => {
    await (await startApp(config())).stop();
    await chmod(join(folder.path, 'ca', 'ca.key'), 0o644);
    await assert.rejects(startApp(config()), (error) => error instanceof ConfigError && /ca\.key/.test(error.message));
  });

  it('refuses roots that are not there', async () => {
    await assert.rejects(startApp(config({ 'upstream-ca': join(folder.path, 'none.pem') })), /--upstream-ca/);
  });

  it('goes on with what it had when only the index is lost', async () => {
    await (await startApp(config())).stop();
    await rm(join(folder.path, 'data', 'index.v1.sqlite'), { force: true });
    await (await startApp(config())).stop();
  });
});
