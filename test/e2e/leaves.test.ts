import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

// The certificates that the proxy shows for a host, checked by the two libraries that almost all clients use.

describe('e2e: the certificates that clients see', () => {
  const hosts = ['registry-1.docker.io', 'quay.io', 'registry.test'];
  let proxy: RunningProxy;

  before(async () => {
    proxy = await startProxy('data-leaves');
  });

  after(async () => {
    assert.equal(await proxy?.stop(), 0);
  });

  /** What openssl says about a handshake through the proxy, the chain of certificates included. */
  function handshake(host: string, name: string): Promise<string> {
    const where = ['-proxy', new URL(proxy.url).host, '-connect', `${host}:443`, '-servername', host];
    const strict = ['-CAfile', session().caFile, '-no-CApath', '-verify_return_error', '-x509_strict'];
    return run('openssl', ['s_client', '-showcerts', ...where, ...strict, '-verify_hostname', name]);
  }

  for (const host of hosts) {
    it(`OpenSSL and Go accept ${host}`, async () => {
      const said = await handshake(host, host);
      assert.match(said, /Verify return code: 0 \(ok\)/);

      const chain = said.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
      const file = join(session().lab.folder, `${host}.pem`);
      await writeFile(file, chain.join('\n'));
      const program = join(import.meta.dirname, 'go-verify');
      const env = { GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' };
      const verdict = (name: string): Promise<string> => {
        return run('go', ['run', '.', session().caFile, file, name], { cwd: program, env });
      };
      assert.equal(await verdict(host), 'ok\n');
      await assert.rejects(verdict('other.example'), /not other\.example/);
    });
  }

  it('OpenSSL refuses the certificate under another name', async () => {
    await assert.rejects(handshake('quay.io', 'ghcr.io'));
  });
});
