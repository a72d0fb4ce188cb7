import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.js';
import { openAuthority } from '../../src/tls/authority.js';
import { certificatePath, keyPath, nextPath } from '../../src/tls/authority-files.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';
import {
  type Authorities,
  beginRotation,
  cancelRotation,
  finishRotation,
  isConstrainedTo,
  loadAuthorities,
  offeredPem,
  openAuthorities,
  signerAt,
} from '../../src/tls/rotation.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { foreignCertificate, pkcs8 } from './fixtures/foreign-authority.js';
import { handshake } from './fixtures/handshake.js';

const DAY_MS = 86_400_000;
const NOW = Date.now();
const SWITCH = NOW + 14 * DAY_MS;
const HOST = 'registry.test';

describe('tls/rotation', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await createTempDir();
    await openAuthority(dir.path);
  });

  afterEach(() => dir.remove());

  function begin(switchAt = SWITCH, permittedNames: readonly string[] = []): Promise<Authorities> {
    return beginRotation(dir.path, { now: NOW, switchAt, permittedNames });
  }

  async function refused(attempt: Promise<unknown>, sentence: RegExp): Promise<void> {
    await assert.rejects(attempt, (error) => error instanceof ConfigError && sentence.test(error.message));
  }

  it('B21: the present CA signs until the time given, the new one from then on', async () => {
    const authorities = await begin();
    const { current, next } = authorities;
    assert.ok(next);
    assert.equal(next.switchAt, SWITCH);
    assert.notEqual(next.authority.fingerprintSha256, current.fingerprintSha256);
    assert.equal(signerAt(authorities, SWITCH - 1), current);
    assert.equal(signerAt(authorities, SWITCH), next.authority);
    const again = await loadAuthorities(dir.path, NOW);
    assert.equal(again.next?.authority.fingerprintSha256, next.authority.fingerprintSha256);
    assert.equal(again.next?.switchAt, SWITCH);
  });

  it('B21: clients with the old CA, the new one or both work as long as theirs signs', async () => {
    const authorities = await begin(NOW);
    const { current, next } = authorities;
    assert.ok(next);
    const old = current.trustPem;
    const fresh = next.authority.trustPem;
    assert.equal(offeredPem(authorities), old + fresh);
    const rows = [
      [current, old, true],
      [current, fresh, false],
      [current, old + fresh, true],
      [next.authority, old, false],
      [next.authority, fresh, true],
      [next.authority, old + fresh, true],
    ] as const;
    for (const [signer, trusted, accepted] of rows) {
      const attempt = handshake(createLeafStore(signer).contextFor(HOST), trusted, HOST);
      if (accepted) await (await attempt).close();
      else await assert.rejects(attempt, { code: /UNABLE_TO_(?:VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT_LOCALLY)/ });
    }
  });

  it('B21: the old CA stays in place, and its key is gone when the rotation is finished', async () => {
    const { current, next } = await begin();
    const oldKey = await readFile(keyPath(dir.path), 'utf8');
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key', 'next.key']);
    assert.equal((await stat(nextPath(dir.path))).mode & 0o777, 0o600);
    assert.equal(await readFile(certificatePath(dir.path), 'utf8'), current.certificatePem);

    assert.equal(await finishRotation(dir.path, SWITCH), true);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
    assert.equal((await stat(keyPath(dir.path))).mode & 0o777, 0o600);
    const after = await openAuthorities(dir.path);
    assert.equal(after.next, undefined);
    assert.equal(after.current.fingerprintSha256, next?.authority.fingerprintSha256);
    assert.notEqual(await readFile(keyPath(dir.path), 'utf8'), oldKey);
    assert.equal(await finishRotation(dir.path, SWITCH), false);
  });

  it('is not finished while the old CA signs', async () => {
    await begin();
    await refused(finishRotation(dir.path, SWITCH - 1), /the new CA signs only from .* on/);
    assert.ok((await loadAuthorities(dir.path, NOW)).next);
  });

  it('is cancelled only before the new CA signs', async () => {
    const { current } = await begin();
    await refused(cancelRotation(dir.path, SWITCH), /the new CA signs since .*--finish/);
    assert.equal(await cancelRotation(dir.path, SWITCH - 1), true);
    assert.equal(await cancelRotation(dir.path, SWITCH - 1), false);
    const after = await loadAuthorities(dir.path, NOW);
    assert.equal(after.next, undefined);
    assert.equal(after.current.fingerprintSha256, current.fingerprintSha256);
  });

  it('begins once, however many ask', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => begin()));
    assert.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
    const text = await readFile(nextPath(dir.path), 'utf8');
    await refused(begin(SWITCH + 1), /a rotation is under way already, and the new CA signs from .* on/);
    assert.equal(await readFile(nextPath(dir.path), 'utf8'), text);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key', 'next.key']);
  });

  it('B09: a finish that was cut off at any step leaves a matching pair, and can be run again', async () => {
    const { next } = await begin();
    const fresh = next?.authority.fingerprintSha256;
    const bundle = (await readFile(nextPath(dir.path), 'utf8')).replace(/^Switch-At.*\n/, '');
    const oldFingerprint = (await loadAuthorities(dir.path, NOW)).current.fingerprintSha256;

    // After the first step: the new certificate lies beside the old pair.
    await writeFile(join(dir.path, 'ca.crt.new'), next?.authority.certificatePem ?? '');
    const first = await openAuthorities(dir.path);
    assert.equal(first.current.fingerprintSha256, oldFingerprint);
    assert.equal(first.next?.authority.fingerprintSha256, fresh);

    // After the second: the key has been replaced, and ca.crt is still the old certificate.
    await writeFile(keyPath(dir.path), bundle, { mode: 0o600 });
    const second = await loadAuthorities(dir.path, NOW);
    assert.equal(second.current.fingerprintSha256, fresh);
    assert.equal(second.next, undefined);

    // A start completes the third, and a second finish removes what is left.
    await openAuthorities(dir.path);
    assert.equal(await readFile(certificatePath(dir.path), 'utf8'), next?.authority.certificatePem);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key', 'next.key']);
    assert.equal(await finishRotation(dir.path, SWITCH), false);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
  });

  it('begins anew after a finish that was cut off before its last step', async () => {
    const { next } = await begin();
    await copyFile(nextPath(dir.path), join(dir.path, 'copy'));
    await finishRotation(dir.path, SWITCH);
    await copyFile(join(dir.path, 'copy'), nextPath(dir.path));
    const again = await begin();
    assert.equal(again.current.fingerprintSha256, next?.authority.fingerprintSha256);
    assert.notEqual(again.next?.authority.fingerprintSha256, next?.authority.fingerprintSha256);
  });

  it('B06: an expired CA can be rotated, and the new one signs at once', async () => {
    const { notAfter } = (await loadAuthorities(dir.path, NOW)).current;
    await refused(loadAuthorities(dir.path, notAfter), /expired on/);
    const late = { now: notAfter + DAY_MS, switchAt: notAfter + 15 * DAY_MS, permittedNames: [] };
    const authorities = await beginRotation(dir.path, late);
    assert.equal(authorities.next?.switchAt, late.now);
    assert.equal(signerAt(authorities, late.now), authorities.next?.authority);
  });

  it('B06: the switch never comes later than the end of the present CA', async () => {
    const { notAfter } = (await loadAuthorities(dir.path, NOW)).current;
    assert.equal((await begin(notAfter + DAY_MS)).next?.switchAt, notAfter);
  });

  it('constrains the new CA as it is told, else as the present one', async () => {
    assert.deepEqual((await begin(NOW, ['ghcr.io'])).next?.authority.permittedNames, ['ghcr.io']);
    await finishRotation(dir.path, NOW);
    assert.deepEqual((await begin(NOW)).next?.authority.permittedNames, ['ghcr.io']);
    await finishRotation(dir.path, NOW);
    assert.deepEqual((await begin(NOW, ['10.0.0.0/8'])).next?.authority.permittedNames, ['10.0.0.0/8']);
  });

  it('says whether the present or the coming CA is constrained to a list', async () => {
    const before = await loadAuthorities(dir.path, NOW);
    assert.equal(isConstrainedTo(before, []), true);
    assert.equal(isConstrainedTo(before, ['ghcr.io']), false);
    const during = await begin(SWITCH, ['quay.io', 'ghcr.io']);
    assert.equal(isConstrainedTo(during, ['ghcr.io', 'quay.io']), true);
    assert.equal(isConstrainedTo(during, ['ghcr.io']), false);
  });

  it('replaces a root that somebody brought, and refuses to follow an intermediate', async () => {
    const root = foreignCertificate('house');
    const own = foreignCertificate('proxy', { issuer: root });
    await writeFile(keyPath(dir.path), pkcs8(own.key));
    await writeFile(certificatePath(dir.path), own.pem + root.pem);
    await refused(begin(), /stands below another, and clients trust that one/);
    await writeFile(certificatePath(dir.path), own.pem);
    await refused(begin(), /stands below another/);
    await writeFile(keyPath(dir.path), pkcs8(root.key));
    await writeFile(certificatePath(dir.path), root.pem);
    assert.notEqual((await begin(NOW)).next, undefined);
    assert.equal(await finishRotation(dir.path, NOW), true);
    assert.match(new X509Certificate((await openAuthority(dir.path)).certificatePem).subject, /^CN=entrepot CA /);
  });

  it('says what is wrong with a next.key that it did not write', async () => {
    await begin();
    const text = await readFile(nextPath(dir.path), 'utf8');
    await chmod(nextPath(dir.path), 0o644);
    await refused(loadAuthorities(dir.path, NOW), /next\.key is open to every user/);
    await chmod(nextPath(dir.path), 0o600);
    await writeFile(nextPath(dir.path), text.replace('Switch-At', 'Switch'));
    await refused(loadAuthorities(dir.path, NOW), /does not say when to switch/);
    await writeFile(nextPath(dir.path), text.slice(0, text.indexOf('-----BEGIN CERTIFICATE')));
    await refused(loadAuthorities(dir.path, NOW), /holds no certificate/);
  });
});
