import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Authority, openAuthority } from '../../src/tls/authority.js';
import { initOfflineRoot } from '../../src/tls/offline-root.js';
import { run } from '../lab/command.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

// What the two libraries that almost all clients use make of a CA that is constrained to names. Node's own verdict is in
// test/tls/authority.test.ts.

describe('e2e: a CA that is constrained to names', () => {
  const permittedNames = ['ghcr.io', '10.0.0.0/8', 'fd00::/8'];
  const inside = ['ghcr.io', 'a.ghcr.io', '10.1.2.3', 'fd00::1'];
  const outside = ['quay.io', 'xghcr.io', 'ghcr.io.test', '11.0.0.1', '192.0.2.1', 'fe00::1'];
  const kinds = ['root', 'intermediate'] as const;
  let dir: TempDir;

  before(async () => {
    dir = await createTempDir();
  });

  after(() => dir.remove());

  /** Writes what clients trust and what the proxy would send for the host; gives the two files. */
  async function filesFor(authority: Authority, folder: string, host: string): Promise<readonly [string, string]> {
    const [trust, chain] = [join(folder, 'trust.pem'), join(folder, `${host.replaceAll(':', '-')}.pem`)];
    await writeFile(trust, authority.trustPem);
    await writeFile(chain, authority.issueLeaf(host, Date.now()).certificatesPem);
    return [trust, chain];
  }

  async function makeAuthority(kind: (typeof kinds)[number]): Promise<readonly [Authority, string]> {
    const folder = join(dir.path, kind);
    await mkdir(folder);
    const directory = join(folder, 'ca');
    if (kind === 'root') return [await openAuthority(directory, { permittedNames }), folder];
    const rootKeyFile = join(folder, 'root.key');
    return [await initOfflineRoot(directory, { rootKeyFile, permittedNames, now: Date.now() }), folder];
  }

  function askOpenSsl(trust: string, chain: string, host: string): Promise<string> {
    const name = /^[\d.]+$|:/.test(host) ? ['-verify_ip', host] : ['-verify_hostname', host];
    const strict = ['-x509_strict', '-purpose', 'sslserver', '-no-CApath', '-CAfile', trust];
    return run('openssl', ['verify', ...strict, '-untrusted', chain, ...name, chain]);
  }

  function askGo(trust: string, chain: string, host: string): Promise<string> {
    const env = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' };
    return run('go', ['run', '.', trust, chain, host], { cwd: join(import.meta.dirname, 'go-verify'), env });
  }

  for (const kind of kinds) {
    it(`B10: OpenSSL and Go refuse a leaf outside, and accept one inside, below a constrained ${kind}`, async () => {
      const [authority, folder] = await makeAuthority(kind);
      for (const host of inside) {
        const [trust, chain] = await filesFor(authority, folder, host);
        assert.match(await askOpenSsl(trust, chain, host), /: OK$/m);
        assert.equal(await askGo(trust, chain, host), 'ok\n');
      }
      for (const host of outside) {
        const [trust, chain] = await filesFor(authority, folder, host);
        await assert.rejects(askOpenSsl(trust, chain, host), /permitted subtree violation/, host);
        await assert.rejects(askGo(trust, chain, host), /not permitted by any constraint|is not permitted/, host);
      }
    });
  }
});
