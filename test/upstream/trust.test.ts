import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ConfigError } from '../../src/errors.js';
import { connectUpstream } from '../../src/upstream/connect.js';
import { loadTrust, type TrustOptions } from '../../src/upstream/trust.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createTestAuthority } from '../support/test-certificates.js';
import { loopbackGuard, serve } from './loopback.js';

function keyOf(pem: string): Buffer {
  return new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
}

describe('upstream/trust', () => {
  const system = createTestAuthority('system');
  const extra = createTestAuthority('extra');
  const own = createTestAuthority('entrepot');
  let folder: TempDir;
  let bundle: string;

  beforeEach(async () => {
    folder = await createTempDir();
    bundle = join(folder.path, 'bundle.crt');
    await writeFile(bundle, `# comment\n${system.certificatePem}\n${own.certificatePem}`);
  });
  afterEach(() => folder.remove());

  async function file(text: string): Promise<string> {
    const path = join(folder.path, 'extra.pem');
    await writeFile(path, text);
    return path;
  }

  async function accepts(signer: typeof system, options: Partial<TrustOptions>): Promise<boolean> {
    const trust = await loadTrust({ extraFiles: [], ownKeys: () => [], systemBundles: [bundle], ...options });
    const server = await serve((_request, response) => response.end(), signer.issue(['registry.test']));
    try {
      const target = server.target('https', 'registry.test');
      (await connectUpstream(target, { guard: loopbackGuard(), trust, timeoutMs: 5000 })).destroy();
      return true;
    } catch {
      return false;
    } finally {
      await server.close();
    }
  }

  it('C11: trusts the roots of the system, and further ones besides', async () => {
    const extraFiles = [await file(extra.certificatePem)];
    assert.equal(await accepts(system, {}), true);
    assert.equal(await accepts(extra, {}), false);
    assert.equal(await accepts(extra, { extraFiles }), true);
    assert.equal(await accepts(system, { extraFiles }), true);
  });

  it('C04: never trusts our own CA, though it stands in the system or is named', async () => {
    assert.equal(await accepts(own, {}), true);
    const key = keyOf(own.certificatePem);
    const ownKeys = (): Buffer[] => [key];
    assert.equal(await accepts(own, { ownKeys }), false);
    assert.equal(await accepts(own, { ownKeys, extraFiles: [await file(own.certificatePem)] }), false);
    assert.equal(await accepts(system, { ownKeys }), true);
  });

  it('asks for our own keys when roots are needed, and not before', async () => {
    let asked = 0;
    const ownKeys = (): Buffer[] => {
      asked += 1;
      return [keyOf(own.certificatePem)];
    };
    const trust = await loadTrust({ extraFiles: [], ownKeys, systemBundles: [bundle] });
    assert.equal(asked, 0);
    trust.prepare?.();
    const prepared = asked;
    assert.ok(prepared > 0);
    assert.equal(trust.forHost('a.test', 443), trust.forHost('b.test', 443));
    assert.equal(asked, prepared);
  });

  it('takes the first bundle that holds something', async () => {
    const systemBundles = [join(folder.path, 'none'), bundle];
    assert.equal((await loadTrust({ extraFiles: [], ownKeys: () => [], systemBundles })).roots, 2);
  });

  it("takes Node's roots where the system has none", async () => {
    const { roots } = await loadTrust({ extraFiles: [], ownKeys: () => [], systemBundles: [] });
    assert.equal(roots, rootCertificates.length);
  });

  const useless = [
    ['holds no certificate', 'nothing here', /holds no PEM certificate/],
    ['cannot be read as one', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', /cannot be read/],
  ] as const;
  for (const [what, text, words] of useless) {
    it(`refuses a file that ${what}, and names option and file`, async () => {
      const path = await file(text);
      await assert.rejects(loadTrust({ extraFiles: [path], ownKeys: () => [], systemBundles: [bundle] }), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, words);
        return error.message.includes('--upstream-ca') && error.message.includes(path);
      });
    });
  }

  it('refuses a file that is not there', async () => {
    const options = { extraFiles: [join(folder.path, 'none')], ownKeys: () => [], systemBundles: [bundle] };
    await assert.rejects(loadTrust(options), ConfigError);
  });

  it('starts though a root of the system cannot be read', async () => {
    await writeFile(bundle, `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${system.certificatePem}`);
    assert.equal(await accepts(system, {}), true);
  });
});
