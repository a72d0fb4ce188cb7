import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import type { StoreEvents } from '../../src/cache/contract.js';
import { openCache } from '../../src/cache/open-cache.js';
import { digestOfBytes } from '../support/memory-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { type CacheStage, createCacheStage, runCommand } from './cache-stage.js';
import { createFakeIo } from './fake-io.js';

const CONTENT = Buffer.from('content');
const EVENTS: StoreEvents = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('cli/open-inventory', () => {
  let stage: CacheStage;
  let temp: TempDir;
  let folder: string;
  before(async () => {
    stage = await createCacheStage();
  });
  after(() => stage.close());
  beforeEach(async () => {
    temp = await createTempDir();
    folder = path.join(temp.path, 'data');
  });
  afterEach(() => temp.remove());

  async function makeStore(): Promise<void> {
    const cache = await openCache({ directory: folder, events: EVENTS });
    await cache.store.put(digestOfBytes(CONTENT), CONTENT, undefined);
    await cache.close();
  }

  /** `cache stats` with these flags; the token is that of the stage. */
  function stats(...flags: string[]) {
    const env = { HOME: temp.path, ENTREPOT_ADMIN_TOKEN: stage.token };
    return runCommand(['cache', 'stats', '--data-dir', folder, ...flags], createFakeIo({ env }));
  }

  function listenOf(port: number): Record<string, string> {
    return { HOME: temp.path, ENTREPOT_ADMIN_TOKEN: stage.token, ENTREPOT_ADMIN_LISTEN: `127.0.0.1:${port}` };
  }

  it('asks the API that is named, whatever the folder', async () => {
    await makeStore();
    assert.match((await stats('--admin', stage.url.href)).out, /^entries {2}0$/m);
    assert.match((await stats('--admin', stage.url.origin)).out, /^entries {2}0$/m);
  });

  it('looks into the folder itself where no proxy uses it', async () => {
    await makeStore();
    assert.deepEqual(await stats(), { code: 0, out: 'stored   7 B\nentries  1\n', error: '' });
    assert.equal(existsSync(path.join(folder, 'lock')), false);
  });

  it('keeps what the configuration pins, on the folder too', async () => {
    await makeStore();
    const cache = await openCache({ directory: folder, events: EVENTS });
    await cache.facts.set('link', `a.test x ${digestOfBytes(CONTENT)}`, { deliveredAt: 1, confirmedAt: 1 });
    await cache.close();
    const argv = ['cache', 'prune', '--to-size', '0', '--data-dir', folder];
    const pinning = createFakeIo({ env: { HOME: temp.path, ENTREPOT_PINS: 'a.test/x' } });
    assert.equal((await runCommand(argv, pinning)).out, 'Removed 0 contents of 0 B.\nKept 1 content of 7 B, pinned.\n');
    const free = createFakeIo({ env: { HOME: temp.path } });
    assert.equal((await runCommand(argv, free)).out, 'Removed 1 content of 7 B.\n');
  });

  it('asks the API of the configuration where a proxy uses the folder', async () => {
    const cache = await openCache({ directory: folder, events: EVENTS });
    try {
      const io = createFakeIo({ env: listenOf(stage.server.port) });
      const ran = await runCommand(['cache', 'stats', '--data-dir', folder], io);
      assert.match(ran.out, /^entries {2}0$/m);
    } finally {
      await cache.close();
    }
  });

  it('says that a proxy runs whose API cannot be reached', async () => {
    const cache = await openCache({ directory: folder, events: EVENTS });
    try {
      const ran = await runCommand(
        ['cache', 'stats', '--data-dir', folder],
        createFakeIo({ env: listenOf(await closedPort()) }),
      );
      assert.equal(ran.code, 1);
      assert.match(
        ran.error,
        /is in use by process \d+.*; the admin API at http:\/\/127\.0\.0\.1:\d+ cannot be reached \(\w+\); name it/,
      );
      assert.match(ran.error, /; name it with --admin URL\n$/);
    } finally {
      await cache.close();
    }
  });

  it('takes the folder over from a proxy that died', async () => {
    await makeStore();
    await writeFile(path.join(folder, 'lock'), '{"pid":999999999,"bootId":"gone"');
    const ran = await runCommand(
      ['cache', 'stats', '--data-dir', folder],
      createFakeIo({ env: listenOf(await closedPort()) }),
    );
    assert.match(ran.out, /^entries {2}1$/m);
  });

  it('says that the folder is not open to this user', async () => {
    await makeStore();
    await chmod(folder, 0);
    // Root may read everything.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    const ran = await stats().finally(() => {
      if (isRoot) process.seteuid?.(0);
    });
    await chmod(folder, 0o700);
    assert.equal(ran.code, 1);
    assert.equal(
      ran.error,
      `entrepot: ${folder} is not open to this user (EACCES); run this as the user of the proxy.\n`,
    );
  });

  it('makes no folder where there is none', async () => {
    const ran = await runCommand(
      ['cache', 'stats', '--data-dir', folder],
      createFakeIo({ env: listenOf(await closedPort()) }),
    );
    assert.equal(ran.code, 1);
    assert.match(
      ran.error,
      /holds no store, and the admin API .*; name it with --admin URL, or the folder with --data-dir\n$/,
    );
    const bare = await runCommand(['cache', 'stats', '--data-dir', folder], createFakeIo({ env: { HOME: temp.path } }));
    assert.match(bare.error, /holds no store, and there is no token for a proxy elsewhere; name it/);
    assert.equal(existsSync(folder), false);
  });

  it('reads the token of the folder, and says where it looked', async () => {
    const env = { HOME: temp.path };
    const argv = ['cache', 'ls', '--data-dir', folder, '--admin', stage.url.href];
    const without = await runCommand(argv, createFakeIo({ env }));
    assert.equal(without.code, 1);
    assert.match(without.error, /token cannot be read from .*admin\.token \(ENOENT\); give the proxy’s --data-dir/);
    await makeStore();
    await writeFile(path.join(folder, 'admin.token'), `${stage.token}\n`);
    assert.equal((await runCommand(argv, createFakeIo({ env }))).code, 0);
    await writeFile(path.join(folder, 'admin.token'), 'another-token-of-nobody\n');
    assert.match((await runCommand(argv, createFakeIo({ env }))).error, /does not take the token/);
  });

  it('refuses what is no URL', async () => {
    for (const text of ['127.0.0.1:3129', 'ftp://x', 'x']) {
      const ran = await stats('--admin', text);
      assert.equal(ran.code, 2);
      assert.match(ran.error, /is not a URL; write http:\/\/127\.0\.0\.1:3129/);
    }
  });
});
