import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/config/paths.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { type ProxyProcess, StartFailed, spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * The process around the program: what switches of Node and of its environment do to it.
 */

function run(nodeFlags: readonly string[], ...argv: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...nodeFlags, '--import', 'tsx', 'src/main.ts', ...argv], {
    cwd: PACKAGE_ROOT,
    encoding: 'utf8',
  });
}

describe('integration/process', function () {
  this.timeout(60_000);
  let registry: FakeRegistry;
  let folder: TempDir;
  let proxy: ProxyProcess | undefined;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    folder = await createTempDir();
  });
  afterEach(async () => {
    if (proxy?.process.exitCode === null) await proxy.end('SIGKILL');
    proxy = undefined;
    await registry.close();
    await folder.remove();
  });

  it('C08: does not start under NODE_TLS_REJECT_UNAUTHORIZED=0, and says so in one sentence', async () => {
    const environment = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    await assert.rejects(spawnProxy(folder.path, { registries: [registry] }, environment), (error) => {
      assert.ok(error instanceof StartFailed);
      assert.equal(error.code, 2);
      assert.match(error.message, /entrepot: NODE_TLS_REJECT_UNAUTHORIZED=0 [^\n]+\n$/);
      return error.message.match(/^.*entrepot: /gm)?.length === 1;
    });
  });

  it('L04: serves pulls in a process without __proto__', async () => {
    registry.content.addImage('a', 'v1');
    proxy = await spawnProxy(folder.path, { registries: [registry] }, { NODE_OPTIONS: '--disable-proto=delete' });
    const { way } = proxy;
    const request = {
      ...way,
      authority: registry.authority,
      repository: 'a',
      reference: 'v1',
      style: 'docker',
    } as const;
    await pullImage(request);
    await pullImage(request);
    const bodies = registry.find({ own: false, method: 'GET', status: 200 }).filter(({ kind }) => kind === 'blob');
    assert.equal(new Set(bodies.map(({ path }) => path)).size, bodies.length);
    assert.equal(await proxy.end('SIGTERM'), 0);
  });

  it('L04: takes headers and JSON that name the prototype for what they say', async () => {
    proxy = await spawnProxy(folder.path, { registries: [registry] });
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'];
    registry.misbehave(
      { kind: 'manifest' },
      {
        setHeaders: Object.fromEntries(names.map((name) => [name, 'polluted'])),
        body: Buffer.from('{"__proto__":{"layers":[{"digest":"x"}]},"constructor":{"prototype":{"polluted":true}}}'),
      },
    );
    for (const path of ['/v2/', '/v2/a/manifests/__proto__', '/v2/constructor/manifests/toString', '/v2/a/tags/list']) {
      const headers = names.flatMap((name) => [name, '{"__proto__":{"polluted":true}}']);
      const { status } = await proxyGet({ ...proxy.way, authority: registry.authority, path, headers });
      assert.ok(status < 500, `${path}: ${status}`);
    }
    assert.equal(proxy.process.exitCode, null);
    assert.equal(await proxy.end('SIGTERM'), 0);
  });

  it('F09: opens no inspector when it is sent the signal for it', async () => {
    proxy = await spawnProxy(folder.path, { registries: [registry] });
    proxy.process.kill('SIGUSR1');
    const { status } = await proxyGet({ ...proxy.way, authority: registry.authority, path: '/v2/' });
    assert.equal(status, 200);
    assert.equal(await proxy.end('SIGTERM'), 0);
    assert.doesNotMatch(proxy.output(), /Debugger|inspector/i);
  });

  it('tells of an insecure registry at the start, and once at the first connection to each host', async () => {
    const config = join(folder.path, 'insecure.yaml');
    await writeFile(config, 'registries:\n  127.0.0.1: {insecure: true}\n');
    proxy = await spawnProxy(folder.path, { registries: [registry], flags: { config } });
    for (let i = 0; i < 2; i += 1) {
      registry.dropConnections();
      const { status } = await proxyGet({ ...proxy.way, authority: registry.authority, path: '/v2/' });
      assert.equal(status, 200);
    }
    await proxy.end('SIGTERM');
    const lines = proxy
      .output()
      .split('\n')
      .filter((line) => line.includes('not checked'));
    assert.equal(lines.length, 2, lines.join('\n'));
    for (const line of lines) assert.match(line, /"level":"warn".*"host":"127\.0\.0\.1"/);
  });

  it('works under --force-fips where Node can, and leaves it to Node to say that it cannot', () => {
    const canDo = spawnSync(process.execPath, ['--force-fips', '-e', '0'], { encoding: 'utf8' });
    const { status, stderr, stdout } = run(['--force-fips'], 'ca', 'init', '--ca-dir', join(folder.path, 'ca'));
    if (canDo.status === 0) assert.equal(status, 0, stderr);
    else {
      assert.notEqual(status, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /FIPS/);
    }
  });
});
