import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openAuthority } from '../../src/tls/authority.js';
import { certificatePath, keyPath } from '../../src/tls/authority-files.js';
import { initOfflineRoot, renewIntermediate } from '../../src/tls/offline-root.js';
import { beginRotation, cancelRotation, finishRotation, openAuthorities } from '../../src/tls/rotation.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { withPowerFor } from './fixtures/power-cut.js';

const NOW = Date.now();
const AT_MOST = 40;

// Each operation is cut off at each of its steps. Whatever was cut off, the next start finds a key and a certificate that
// belong together, and the same operation can be run again.

describe('tls/power-cuts', () => {
  let dir: TempDir;
  let folder: string;

  beforeEach(async () => {
    dir = await createTempDir();
    folder = join(dir.path, 'ca');
  });

  afterEach(() => dir.remove());

  /** Runs the operation on a folder made anew, with one more step each time until it comes to its end; counts the cuts. */
  async function cutEverywhere(
    operation: () => Promise<unknown>,
    prepare: () => Promise<unknown>,
    check: () => Promise<void>,
  ) {
    for (let steps = 0; steps < AT_MOST; steps += 1) {
      await rm(folder, { recursive: true, force: true });
      await prepare();
      if (await withPowerFor(steps, operation)) return steps;
      await check();
    }
    return AT_MOST;
  }

  async function assertPair(): Promise<void> {
    const { current } = await openAuthorities(folder);
    const certificate = new X509Certificate(await readFile(certificatePath(folder), 'utf8'));
    assert.equal(certificate.fingerprint256, new X509Certificate(current.certificatePem).fingerprint256);
    const names = (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
    assert.deepEqual(names, []);
  }

  it('B09: the making of a CA, cut off at any step', async () => {
    const cuts = await cutEverywhere(
      () => openAuthority(folder),
      async () => undefined,
      async () => {
        const hadKey = await readFile(keyPath(folder), 'utf8').catch(() => undefined);
        await assertPair();
        // A key that has its name stays the key: clients may trust it already.
        if (hadKey !== undefined) assert.equal(await readFile(keyPath(folder), 'utf8'), hadKey);
      },
    );
    assert.ok(cuts >= 6 && cuts < AT_MOST, `${cuts} cuts`);
  });

  it('B09: the beginning and the taking back of a rotation, cut off at any step', async () => {
    const options = { now: NOW, switchAt: NOW + 1000, permittedNames: [] };
    const begin = await cutEverywhere(
      () => beginRotation(folder, options),
      () => openAuthority(folder),
      async () => {
        await assertPair();
        if ((await openAuthorities(folder)).next === undefined) await beginRotation(folder, options);
        assert.ok((await openAuthorities(folder)).next);
      },
    );
    const cancel = await cutEverywhere(
      () => cancelRotation(folder, NOW),
      async () => {
        await openAuthority(folder);
        await beginRotation(folder, options);
      },
      assertPair,
    );
    assert.ok(begin >= 2 && begin < AT_MOST && cancel >= 1 && cancel < AT_MOST, `${begin} and ${cancel} cuts`);
  });

  it('B09: the end of a rotation, cut off at any step', async () => {
    const cuts = await cutEverywhere(
      () => finishRotation(folder, NOW),
      async () => {
        await openAuthority(folder);
        await beginRotation(folder, { now: NOW, switchAt: NOW, permittedNames: [] });
      },
      async () => {
        const { current, next } = await openAuthorities(folder);
        const signer = next?.authority ?? current;
        await assertPair();
        await finishRotation(folder, NOW);
        const after = await openAuthorities(folder);
        assert.equal(after.next, undefined);
        assert.equal(after.current.fingerprintSha256, signer.fingerprintSha256);
        assert.deepEqual((await readdir(folder)).sort(), ['ca.crt', 'ca.key']);
      },
    );
    assert.ok(cuts >= 6 && cuts < AT_MOST, `${cuts} cuts`);
  });

  it('B09: the renewal of an intermediate, cut off at any step', async () => {
    const rootKeyFile = join(dir.path, 'root.key');
    const options = { rootKeyFile, permittedNames: [], now: NOW };
    let root = '';
    const cuts = await cutEverywhere(
      () => renewIntermediate(folder, options),
      async () => {
        await rm(rootKeyFile, { force: true });
        root = (await initOfflineRoot(folder, options)).fingerprintSha256;
      },
      async () => {
        await assertPair();
        assert.equal((await renewIntermediate(folder, options)).fingerprintSha256, root);
        await assertPair();
      },
    );
    assert.ok(cuts >= 5 && cuts < AT_MOST, `${cuts} cuts`);
  });
});
