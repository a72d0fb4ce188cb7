import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { PACKAGE_ROOT } from '../src/config/paths.js';

function start(...argv: string[]): ChildProcess {
  const main = path.join(PACKAGE_ROOT, 'src', 'main.ts');
  return spawn(process.execPath, ['--import', 'tsx', main, ...argv], {
    cwd: PACKAGE_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function finish(child: ChildProcess): Promise<{ code: number | null; out: string; error: string }> {
  assert.ok(child.stdout && child.stderr);
  const closed = once(child, 'close') as Promise<[number | null]>;
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  return { code, out, error };
}

/** What the child has written until the text appears. */
async function waitFor(child: ChildProcess, awaited: string): Promise<string> {
  let seen = '';
  assert.ok(child.stdout);
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    if (seen.includes(awaited)) return seen;
  }
  throw new Error(`ended without ${awaited}: ${seen}`);
}

describe('main', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-main-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function serve(...more: string[]): ChildProcess {
    const places = ['--ca-dir', path.join(folder, 'ca'), '--data-dir', path.join(folder, 'data')];
    return start('serve', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', ...places, ...more);
  }

  it('hands output and exit code to the process', async () => {
    const good = await finish(start('config', 'check'));
    assert.deepEqual(good, { code: 0, out: 'The configuration is valid.\n', error: '' });
    const bad = await finish(start('config', 'check', '--drain', 'soon'));
    assert.equal(bad.code, 2);
    assert.equal(bad.out, '');
    assert.match(bad.error, /^entrepot: --drain: "soon" is not a duration.*\n$/);
  });

  it('serves on an empty folder, and ends with 0 on a signal', async () => {
    const child = serve();
    const seen = await waitFor(child, '/ca.crt');
    const url = /proxy +(http:\S+)/.exec(seen)?.[1];
    const certificate = await fetch(`${url}/ca.crt`);
    assert.match(await certificate.text(), /^-----BEGIN CERTIFICATE-----/);
    child.kill('SIGTERM');
    const { code, error } = await finish(child);
    assert.equal(code, 0);
    assert.equal(error, '');
  });

  it('ends a listing quietly when its reader goes away, as head does', async () => {
    const entry = { digest: `sha256:${'a'.repeat(64)}`, sizeBytes: 1, storedAt: 1, usedAt: 1, pinned: false };
    const page = JSON.stringify({ blobs: Array.from({ length: 100 }, () => entry), next: `1 ${entry.digest}` });
    // A store without an end.
    const api = http.createServer((_request, response) => void response.end(page)).listen(0, '127.0.0.1');
    await once(api, 'listening');
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', path.join(PACKAGE_ROOT, 'src', 'main.ts'), 'cache', 'ls', '--blobs', '--admin'].concat(
        `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
        '--data-dir',
        folder,
      ),
      {
        cwd: PACKAGE_ROOT,
        env: { ...process.env, ENTREPOT_ADMIN_TOKEN: 'x'.repeat(20) },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    await once(child.stdout, 'data');
    child.stdout.destroy();
    const [error, [code]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number | null]>]);
    assert.deepEqual({ code, error }, { code: 0, error: '' });
    api.closeAllConnections();
    api.close();
  });

  it('says in one sentence that another process has the data folder', async () => {
    const first = serve();
    await waitFor(first, '/ca.crt');
    const second = await finish(serve());
    first.kill('SIGINT');
    assert.equal((await finish(first)).code, 0);
    assert.notEqual(second.code, 0);
    assert.match(second.error, /^entrepot: .*data.*\n$/);
  });
});
