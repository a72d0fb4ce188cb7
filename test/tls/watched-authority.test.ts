import assert from 'node:assert/strict';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openAuthority } from '../../src/tls/authority.js';
import { certificatePath, keyPath } from '../../src/tls/authority-files.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';
import { initOfflineRoot, renewIntermediate } from '../../src/tls/offline-root.js';
import { beginRotation, cancelRotation, finishRotation, offeredPem } from '../../src/tls/rotation.js';
import { type WatchedAuthority, watchAuthority } from '../../src/tls/watched-authority.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { handshake } from './fixtures/handshake.js';

const DAY_MS = 86_400_000;
const HOST = 'registry.test';

describe('tls/watched-authority', () => {
  let dir: TempDir;
  let now: number;
  let told: string[];
  let watched: WatchedAuthority | undefined;

  beforeEach(async () => {
    dir = await createTempDir();
    now = Date.now();
    told = [];
  });

  afterEach(async () => {
    watched?.close();
    await dir.remove();
  });

  async function watch(): Promise<WatchedAuthority> {
    watched = await watchAuthority(dir.path, {
      now: () => now,
      events: {
        onChange: ({ next }) => told.push(next === undefined ? 'change' : 'change, next'),
        onSwitch: () => told.push('switch'),
        onFault: (reason) => told.push(`fault: ${reason}`),
        onExpiring: (warning) => told.push(warning),
      },
    });
    return watched;
  }

  it('makes the CA where there is none, and leaves the timer to itself', async () => {
    const { authorities } = await watch();
    assert.equal(authorities.current.created, true);
    assert.deepEqual(told, []);
  });

  it('B21: a rotation needs no restart: the switch comes by the clock, and leaves of the old CA are dropped', async () => {
    const authority = await watch();
    const store = createLeafStore(authority, { now: () => now });
    const old = authority.authorities.current.trustPem;
    const first = store.contextFor(HOST);
    await (await handshake(first, old, HOST)).close();

    await beginRotation(dir.path, { now, switchAt: now + DAY_MS, permittedNames: [] });
    await authority.refresh();
    assert.deepEqual(told, ['change, next']);
    const fresh = authority.authorities.next?.authority.trustPem ?? '';
    assert.equal(offeredPem(authority.authorities), old + fresh);
    assert.equal(store.contextFor(HOST), first);
    assert.equal(store.holds(HOST), true);

    now += DAY_MS;
    assert.equal(store.holds(HOST), false);
    const second = store.contextFor(HOST);
    assert.notEqual(second, first);
    assert.deepEqual([store.size, store.issued], [1, 2]);
    await assert.rejects(handshake(second, old, HOST));
    await (await handshake(store.contextFor(HOST), fresh, HOST)).close();
    await authority.refresh();
    assert.deepEqual(told, ['change, next', 'switch']);

    await finishRotation(dir.path, now);
    await authority.refresh();
    assert.equal(offeredPem(authority.authorities), fresh);
    assert.equal(store.contextFor(HOST), second);
  });

  it('follows a rotation that is taken back', async () => {
    const authority = await watch();
    await beginRotation(dir.path, { now, switchAt: now + DAY_MS, permittedNames: [] });
    await authority.refresh();
    await cancelRotation(dir.path, now);
    await authority.refresh();
    assert.deepEqual(told, ['change, next', 'change']);
    now += 2 * DAY_MS;
    assert.equal(authority.signerAt(now), authority.authorities.current.signerAt(now));
  });

  it('B21: a renewed intermediate needs no restart, and clients that trust the root see no difference', async () => {
    await using away = await createTempDir();
    const options = { rootKeyFile: join(away.path, 'root.key'), permittedNames: [], now };
    await initOfflineRoot(dir.path, options);
    const authority = await watch();
    const store = createLeafStore(authority, { now: () => now });
    const root = authority.authorities.current.trustPem;
    const first = store.contextFor(HOST);
    await (await handshake(first, root, HOST)).close();
    await renewIntermediate(dir.path, options);
    await authority.refresh();
    assert.deepEqual(told, ['change']);
    assert.equal(authority.authorities.current.trustPem, root);
    const second = store.contextFor(HOST);
    assert.notEqual(second, first);
    await (await handshake(second, root, HOST)).close();
  });

  it('B09: a folder that can no longer be used changes nothing, and is told once', async () => {
    const authority = await watch();
    const before = authority.authorities;
    const key = await readFile(keyPath(dir.path), 'utf8');
    await writeFile(keyPath(dir.path), 'torn');
    await authority.refresh();
    await authority.refresh();
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /^fault: .*ca\.key holds no private key/);
    assert.equal(authority.authorities, before);
    assert.ok(authority.issueLeaf(HOST, now).certificatesPem);
    await rm(certificatePath(dir.path));
    await rm(keyPath(dir.path));
    await authority.refresh();
    assert.match(told[1] ?? '', /^fault: there is no CA in/);

    await writeFile(keyPath(dir.path), key, { mode: 0o600 });
    await writeFile(certificatePath(dir.path), before.current.certificatePem);
    await authority.refresh();
    assert.equal(told.length, 2);
    await copyFile(keyPath(dir.path), join(dir.path, 'unrelated'));
    await authority.refresh();
    assert.equal(told.length, 2);
  });

  it('B06: the end of the CA is told at the start and then once a day', async () => {
    const { notAfter } = await openAuthority(dir.path);
    now = notAfter - 29.5 * DAY_MS;
    const authority = await watch();
    assert.match(told[0] ?? '', /expires in 29 days/);
    now += DAY_MS - 1;
    await authority.refresh();
    assert.equal(told.length, 1);
    now += 1;
    await authority.refresh();
    assert.match(told[1] ?? '', /expires in 28 days/);
    now = notAfter;
    await authority.refresh();
    assert.match(told[2] ?? '', /expired on/);
  });

  it('permits what the CA that signs now permits', async () => {
    const authority = await watch();
    assert.equal(authority.permits('quay.io'), true);
    await beginRotation(dir.path, { now, switchAt: now + DAY_MS, permittedNames: ['ghcr.io'] });
    await authority.refresh();
    assert.equal(authority.permits('quay.io'), true);
    now += DAY_MS;
    assert.equal(authority.permits('quay.io'), false);
    assert.equal(authority.permits('ghcr.io'), true);
  });
});
