import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../../src/errors.js';
import { loadAuthority, openAuthority } from '../../src/tls/authority.js';
import { certificatePath, keyPath } from '../../src/tls/authority-files.js';
import { children, contents, decode, hasTag, readOid } from '../../src/tls/der.js';
import { createLeafStore } from '../../src/tls/leaf-store.js';
import { pemBlocks } from '../../src/tls/pem.js';
import { readCertificate } from '../../src/tls/read-certificate.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { foreignCertificate, pkcs8, rsaKey } from './fixtures/foreign-authority.js';
import { handshake } from './fixtures/handshake.js';

const DAY_MS = 86_400_000;
const FIXTURE = fileURLToPath(new URL('fixtures/open-authority.ts', import.meta.url));

/** Every extension of a certificate as `oid critical hex`. */
function extensionsOf(certificate: X509Certificate): string[] {
  const explicit = children(children(decode(certificate.raw))[0]).find((item) => hasTag(item, 3));
  return children(children(explicit)[0]).map((extension) => {
    const parts = children(extension);
    const value = contents(parts.at(-1)).toString('hex');
    return `${readOid(parts[0])} ${parts.length === 3 ? 'critical' : 'plain'} ${value}`;
  });
}

describe('tls/authority', () => {
  let dir: TempDir;

  beforeEach(async () => {
    dir = await createTempDir();
  });

  afterEach(() => dir.remove());

  async function bring(keyPem: string, certificatesPem: string): Promise<void> {
    await writeFile(keyPath(dir.path), keyPem, { mode: 0o600 });
    await writeFile(certificatePath(dir.path), certificatesPem);
  }

  async function refused(sentence: RegExp): Promise<void> {
    for (const open of [openAuthority, loadAuthority]) {
      await assert.rejects(open(dir.path), (error) => error instanceof ConfigError && sentence.test(error.message));
    }
  }

  it('B10: makes a CA for ten years that may sign leaves and nothing else', async () => {
    const now = Date.parse('2027-01-01T00:00:00Z');
    const authority = await openAuthority(dir.path, { now: () => now });
    const certificate = new X509Certificate(authority.certificatePem);
    const identifier = readCertificate(authority.certificatePem).keyIdentifier.toString('hex');
    assert.match(certificate.subject, /^CN=entrepot CA [0-9a-f]{8}$/);
    assert.equal(certificate.issuer, certificate.subject);
    assert.ok(certificate.verify(certificate.publicKey));
    assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
    assert.equal(Date.parse(certificate.validFrom), now - 2 * DAY_MS);
    assert.equal(Date.parse(certificate.validTo), now + 3652 * DAY_MS);
    assert.equal(authority.notAfter, now + 3652 * DAY_MS);
    assert.deepEqual(extensionsOf(certificate), [
      '2.5.29.19 critical 30060101ff020100',
      '2.5.29.15 critical 03020106',
      `2.5.29.14 plain 0414${identifier}`,
    ]);
  });

  it('B07: keeps the key to its owner and offers the certificate as a file', async () => {
    const folder = join(dir.path, 'new');
    const authority = await openAuthority(folder);
    assert.equal(authority.created, true);
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
    assert.equal((await stat(keyPath(folder))).mode & 0o777, 0o600);
    assert.equal(authority.certificatePath, join(folder, 'ca.crt'));
    assert.equal(await readFile(authority.certificatePath, 'utf8'), authority.certificatePem);
    assert.deepEqual((await readdir(folder)).sort(), ['ca.crt', 'ca.key']);
    assert.deepEqual(authority.certificatesDer, [new X509Certificate(authority.certificatePem).raw]);
    assert.equal(authority.fingerprintSha256, new X509Certificate(authority.certificatePem).fingerprint256);
    assert.equal(authority.chainPem, '');
  });

  it('loads the same CA again', async () => {
    const first = await openAuthority(dir.path);
    const again = await openAuthority(dir.path);
    assert.equal(again.created, false);
    assert.equal(again.fingerprintSha256, first.fingerprintSha256);
    assert.equal((await loadAuthority(dir.path)).fingerprintSha256, first.fingerprintSha256);
  });

  it('B08: makes one CA when eight processes start on an empty folder at once', async () => {
    const folder = join(dir.path, 'ca');
    const processes = Array.from({ length: 8 }, () => {
      const child = spawn(process.execPath, ['--import', 'tsx', FIXTURE, folder], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      return { child, ready: once(child.stdout, 'readable'), exited: once(child, 'exit') };
    });
    await Promise.all(processes.map(({ ready }) => ready));
    for (const { child } of processes) child.stdin.end('go');
    const outputs = await Promise.all(processes.map(({ child }) => text(child.stdout)));
    for (const { exited } of processes) assert.deepEqual((await exited)[0], 0);
    const results = outputs.map((output) => JSON.parse(output) as { created: boolean; fingerprintSha256: string });
    assert.equal(results.filter(({ created }) => created).length, 1);
    const onDisk = new X509Certificate(await readFile(certificatePath(folder)));
    assert.deepEqual([...new Set(results.map(({ fingerprintSha256 }) => fingerprintSha256))], [onDisk.fingerprint256]);
    assert.deepEqual((await readdir(folder)).sort(), ['ca.crt', 'ca.key']);
  }).timeout(60_000);

  it('B09: starts anew when the creation was cut off before the key had its name', async () => {
    await writeFile(join(dir.path, 'ca.key.0123456789abcdef.tmp'), '-----BEGIN PRIV');
    assert.equal((await openAuthority(dir.path)).created, true);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
  });

  it('B09: finishes a creation that was cut off before the certificate had its name', async () => {
    const { fingerprintSha256 } = await openAuthority(dir.path);
    await rm(certificatePath(dir.path));
    await writeFile(join(dir.path, 'ca.crt.0123456789abcdef.tmp'), '-----BEGIN CERT');
    assert.equal((await loadAuthority(dir.path)).fingerprintSha256, fingerprintSha256);
    const finished = await openAuthority(dir.path);
    assert.equal(finished.created, false);
    assert.equal(finished.fingerprintSha256, fingerprintSha256);
    assert.equal(await readFile(certificatePath(dir.path), 'utf8'), finished.certificatePem);
    assert.deepEqual((await readdir(dir.path)).sort(), ['ca.crt', 'ca.key']);
  });

  it('takes a root with an RSA key that somebody brought', async () => {
    const root = foreignCertificate('house root', { key: rsaKey() });
    await bring(pkcs8(root.key), root.pem);
    const authority = await openAuthority(dir.path);
    assert.equal(authority.created, false);
    assert.equal(authority.certificatePem, root.pem);
    assert.equal(authority.chainPem, '');
    const leaf = new X509Certificate(authority.issueLeaf('registry.test', Date.now()).certificatesPem);
    assert.ok(leaf.checkIssued(new X509Certificate(root.pem)));
    assert.ok(leaf.verify(new X509Certificate(root.pem).publicKey));
  });

  it('takes an intermediate with an EC key and sends all but the root after its leaves', async () => {
    const root = foreignCertificate('house root');
    const middle = foreignCertificate('house middle', { issuer: root });
    const own = foreignCertificate('house proxy', { issuer: middle });
    await bring(pkcs8(own.key), own.pem + middle.pem + root.pem);
    const authority = await openAuthority(dir.path);
    assert.equal(authority.certificatePem, own.pem);
    assert.equal(authority.chainPem, own.pem + middle.pem);
    const { certificatesPem } = authority.issueLeaf('registry.test', Date.now());
    assert.deepEqual(
      pemBlocks(certificatesPem).map((block) => new X509Certificate(block.text).subject),
      ['CN=registry.test', 'CN=house proxy', 'CN=house middle'],
    );
  });

  it('never shuts out the root of the house towards upstreams', async () => {
    const root = foreignCertificate('house root');
    const own = foreignCertificate('house proxy', { issuer: root });
    await bring(pkcs8(own.key), own.pem + root.pem);
    assert.deepEqual((await openAuthority(dir.path)).certificatesDer, [new X509Certificate(own.pem).raw]);
  });

  it('writes nothing into a folder that has a pair', async () => {
    const own = foreignCertificate('house');
    await bring(pkcs8(own.key), own.pem);
    const before = await stat(dir.path);
    await openAuthority(dir.path);
    assert.equal((await stat(dir.path)).mtimeMs, before.mtimeMs);
    assert.equal(await readFile(keyPath(dir.path), 'utf8'), pkcs8(own.key));
  });

  it('does not make a CA to load one', async () => {
    await assert.rejects(loadAuthority(dir.path), /there is no CA in .*: run "entrepot ca init"/);
    assert.deepEqual(await readdir(dir.path), []);
  });

  it('B09: refuses half a pair and leaves it as it is', async () => {
    const { key, pem } = foreignCertificate('house');
    await writeFile(keyPath(dir.path), pkcs8(key), { mode: 0o600 });
    await refused(/ca\.key exists but .*ca\.crt doesn't/);
    assert.deepEqual(await readdir(dir.path), ['ca.key']);
    await rm(keyPath(dir.path));
    await writeFile(certificatePath(dir.path), pem);
    await refused(/ca\.crt exists but .*ca\.key doesn't/);
    assert.deepEqual(await readdir(dir.path), ['ca.crt']);
  });

  it('B09: refuses a pair that does not match, and never makes a new one in its place', async () => {
    await openAuthority(dir.path);
    const { pem } = foreignCertificate('other');
    await writeFile(certificatePath(dir.path), pem);
    await refused(/is not the key of the first certificate/);
    assert.equal(await readFile(certificatePath(dir.path), 'utf8'), pem);
  });

  it('B07: refuses a key that every user may read', async () => {
    await openAuthority(dir.path);
    await chmod(keyPath(dir.path), 0o644);
    await refused(/open to every user/);
    await chmod(keyPath(dir.path), 0o640);
    await openAuthority(dir.path);
  });

  it('B06: refuses its own CA once it has expired', async () => {
    const { notAfter } = await openAuthority(dir.path);
    await assert.rejects(openAuthority(dir.path, { now: () => notAfter }), /expired on/);
    await openAuthority(dir.path, { now: () => notAfter - 1 });
  });

  it('refuses a folder in place of a file', async () => {
    await mkdir(certificatePath(dir.path));
    await refused(/cannot read .*ca\.crt \(EISDIR\)/);
  });

  it('B10: has Node refuse a leaf outside of the names that the CA is constrained to', async () => {
    const authority = await openAuthority(dir.path, { permittedNames: ['ghcr.io', '127.0.0.0/8'] });
    assert.deepEqual(authority.permittedNames, ['ghcr.io', '127.0.0.0/8']);
    const store = createLeafStore(authority);
    for (const host of ['ghcr.io', 'a.ghcr.io', '127.0.0.1']) {
      assert.equal(authority.permits(host), true);
      const { client, close } = await handshake(store.contextFor(host), authority.trustPem, host);
      assert.equal(client.authorized, true);
      await close();
    }
    for (const host of ['quay.io', 'ghcr.io.test', '10.0.0.1', '::1']) {
      assert.equal(authority.permits(host), false);
      await assert.rejects(handshake(store.contextFor(host), authority.trustPem, host), /permitted subtree violation/);
    }
  });

  it('B10: excludes addresses where only names are permitted, and names where only addresses are', async () => {
    const rows = [
      ['names', 'ghcr.io', '127.0.0.1'],
      ['addresses', '127.0.0.1', 'ghcr.io'],
    ] as const;
    for (const [folder, inside, outside] of rows) {
      const authority = await openAuthority(join(dir.path, folder), { permittedNames: [inside] });
      const store = createLeafStore(authority);
      await (await handshake(store.contextFor(inside), authority.trustPem, inside)).close();
      await assert.rejects(
        handshake(store.contextFor(outside), authority.trustPem, outside),
        /excluded subtree violation/,
      );
    }
  });

  it('constrains only what it makes', async () => {
    await openAuthority(dir.path);
    const again = await openAuthority(dir.path, { permittedNames: ['ghcr.io'] });
    assert.deepEqual(again.permittedNames, []);
    assert.equal(again.permits('quay.io'), true);
  });
});
