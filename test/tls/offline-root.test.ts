import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.js';
import { type Authority, loadAuthority, openAuthority } from '../../src/tls/authority.js';
import { certificatePath, keyPath } from '../../src/tls/authority-files.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';
import { initOfflineRoot, renewIntermediate } from '../../src/tls/offline-root.js';
import { pemBlocks } from '../../src/tls/pem.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { foreignCertificate, pkcs8 } from './fixtures/foreign-authority.js';
import { handshake } from './fixtures/handshake.js';

const NOW = Date.now();
const HOST = 'registry.test';

describe('tls/offline-root', () => {
  let dir: TempDir;
  let folder: string;
  let rootKeyFile: string;

  beforeEach(async () => {
    dir = await createTempDir();
    folder = join(dir.path, 'ca');
    rootKeyFile = join(dir.path, 'root.key');
  });

  afterEach(() => dir.remove());

  function init(permittedNames: readonly string[] = []): Promise<Authority> {
    return initOfflineRoot(folder, { rootKeyFile, permittedNames, now: NOW });
  }

  function renew(permittedNames: readonly string[] = [], now = NOW): Promise<Authority> {
    return renewIntermediate(folder, { rootKeyFile, permittedNames, now });
  }

  async function refused(attempt: Promise<unknown>, sentence: RegExp): Promise<void> {
    await assert.rejects(attempt, (error) => error instanceof ConfigError && sentence.test(error.message));
  }

  /** The bytes of a private key, however the file around it looks. */
  function secretOf(pem: string): string {
    const block = pemBlocks(pem).find(({ label }) => label.endsWith('PRIVATE KEY'));
    const { d = '' } = createPrivateKey(block?.text ?? '').export({ format: 'jwk' });
    return d;
  }

  it('B10: clients trust the root, and the folder has an intermediate of 90 days', async () => {
    const authority = await init();
    const [leaf, middle, ...rest] = pemBlocks(authority.issueLeaf(HOST, NOW).certificatesPem);
    const root = new X509Certificate(authority.trustPem);
    assert.equal(rest.length, 0);
    assert.equal(middle?.text, authority.certificatePem);
    assert.equal(authority.chainPem, authority.certificatePem);
    assert.ok(new X509Certificate(leaf?.text ?? '').checkIssued(new X509Certificate(authority.certificatePem)));
    assert.ok(new X509Certificate(authority.certificatePem).checkIssued(root));
    assert.equal(authority.fingerprintSha256, root.fingerprint256);
    assert.equal(authority.notAfter, Date.parse(new X509Certificate(authority.certificatePem).validTo));
    assert.deepEqual(
      authority.certificatesDer.map((der) => new X509Certificate(der).subject),
      [new X509Certificate(authority.certificatePem).subject, root.subject],
    );
    const { client, close } = await handshake(createLeafStore(authority).contextFor(HOST), authority.trustPem, HOST);
    assert.equal(client.authorized, true);
    await close();
  });

  it('B07: the key of the root is in its own file for its owner alone, and nowhere in the folder', async () => {
    await init();
    await renew();
    const secret = secretOf(await readFile(rootKeyFile, 'utf8'));
    assert.equal((await stat(rootKeyFile)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(folder)).sort(), ['ca.crt', 'ca.key']);
    assert.notEqual(secretOf(await readFile(keyPath(folder), 'utf8')), secret);
    assert.equal((await readFile(keyPath(folder), 'utf8')).split('PRIVATE KEY').length, 3);
    assert.doesNotMatch(await readFile(certificatePath(folder), 'utf8'), /PRIVATE KEY/);
  });

  it('issues the next intermediate with a new key below the same root', async () => {
    const before = await init();
    const oldKey = await readFile(keyPath(folder), 'utf8');
    const after = await renew();
    assert.equal(after.fingerprintSha256, before.fingerprintSha256);
    assert.notEqual(after.certificatePem, before.certificatePem);
    assert.notEqual(secretOf(await readFile(keyPath(folder), 'utf8')), secretOf(oldKey));
    assert.equal((await stat(keyPath(folder))).mode & 0o777, 0o600);
    assert.equal((await openAuthority(folder)).certificatePem, after.certificatePem);
    assert.equal(await readFile(certificatePath(folder), 'utf8'), after.certificatePem + after.trustPem);
  });

  it('renews one that has expired', async () => {
    const { notAfter } = await init();
    await refused(openAuthority(folder, { now: () => notAfter }), /expired on/);
    const late = await renew([], notAfter + 1000);
    assert.ok(late.notAfter > notAfter + 1000);
  });

  it('constrains an intermediate as it is told, else as the one before', async () => {
    assert.deepEqual((await init(['ghcr.io'])).permittedNames, ['ghcr.io']);
    assert.deepEqual((await renew()).permittedNames, ['ghcr.io']);
    assert.deepEqual((await renew(['quay.io', '10.0.0.0/8'])).permittedNames, ['quay.io', '10.0.0.0/8']);
    assert.deepEqual((await renew()).permittedNames, ['quay.io', '10.0.0.0/8']);
  });

  it('B09: an init that was cut off goes on with the same root, and a folder that was lost comes back', async () => {
    const { trustPem } = await init();
    await refused(init(), /there is a CA in .* already/);
    folder = join(dir.path, 'other');
    await refused(init(), /root\.key \(EEXIST\): to go on with the root in it, run "entrepot ca renew"/);
    const restored = await renew();
    assert.equal(restored.trustPem, trustPem);
    assert.equal((await loadAuthority(folder)).trustPem, trustPem);
  });

  it('B09: a renewal that was cut off between key and certificate is completed by the next start', async () => {
    const before = await init();
    const after = await renew();
    await writeFile(join(folder, 'ca.crt.new'), await readFile(certificatePath(folder)));
    await writeFile(certificatePath(folder), before.certificatePem + before.trustPem);
    assert.equal((await loadAuthority(folder)).certificatePem, after.certificatePem);
    assert.equal((await openAuthority(folder)).certificatePem, after.certificatePem);
    assert.deepEqual((await readdir(folder)).sort(), ['ca.crt', 'ca.key']);
    assert.equal(await readFile(certificatePath(folder), 'utf8'), after.certificatePem + after.trustPem);
  });

  it('B07: the file of the root is not put into the folder, not by another name either', async () => {
    await mkdir(folder);
    await symlink(folder, join(dir.path, 'alias'));
    for (const file of [join(folder, 'root.key'), join(dir.path, 'alias', 'root.key')]) {
      await refused(
        initOfflineRoot(folder, { rootKeyFile: file, permittedNames: [], now: NOW }),
        /lies in the CA folder/,
      );
    }
    assert.deepEqual(await readdir(folder), []);
  });

  it('refuses the key of another root, one that everybody may read, and none', async () => {
    const before = await init();
    await refused(
      renewIntermediate(folder, { rootKeyFile: join(dir.path, 'x'), permittedNames: [], now: NOW }),
      /\(ENOENT\)/,
    );
    await chmod(rootKeyFile, 0o644);
    await refused(renew(), /root\.key is open to every user/);
    await chmod(rootKeyFile, 0o600);
    await writeFile(rootKeyFile, pkcs8(foreignCertificate('other').key));
    await refused(renew(), /is not the key of the root that clients trust \(SHA-256 [0-9A-F:]+\)/);
    assert.equal((await openAuthority(folder)).certificatePem, before.certificatePem);
  });

  it('refuses to renew a CA that clients trust itself, and to issue below one that must not', async () => {
    await openAuthority(folder);
    await copyKey();
    await refused(renew(), /has none above it in ca\.crt: "entrepot ca rotate"/);
    folder = join(dir.path, 'empty');
    await refused(renew(), /pathlen:0/);
  });

  async function copyKey(): Promise<void> {
    await writeFile(rootKeyFile, await readFile(keyPath(folder)), { mode: 0o600 });
  }
});
