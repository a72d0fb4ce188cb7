import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { run } from '../lab/command.js';
import { type LogLine, type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

// A proxy that asks for a user and a password, and clients that are told of both in the proxy's address, as people do.

const USER = 'ada';
/** With characters that an address can hold only encoded, and one that is part of the header's own syntax. */
const PASSWORD = 'p@ss:w/rd é';
const PING = 'https://quay.io/v2/';

describe('e2e: passwords of the proxy', () => {
  let proxy: RunningProxy;

  before(async () => {
    const users = join(session().lab.folder, 'proxy-users');
    await writeFile(users, `${USER}:${hashSync(PASSWORD, 4)}\n`);
    proxy = await startProxy('data-proxy-auth', '--proxy-auth', users);
  });

  after(async () => {
    assert.equal(await proxy?.stop(), 0);
  });

  const proxyOf = (user: string, password: string): string =>
    proxy.url.replace('://', `://${user}:${encodeURIComponent(password)}@`);

  async function curl(proxyUrl: string, ...options: string[]): Promise<string> {
    const trusted = ['--cacert', session().caFile, '--proxy', proxyUrl];
    const form = ['-sS', '-o', '/dev/null', '-w', '%{http_connect} %{http_code}'];
    return run('curl', [...form, ...trusted, ...options, PING]);
  }

  async function skopeo(proxyUrl: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const args = ['inspect', '--no-tags', '--format', '{{.Digest}}', 'docker://quay.io/library/small:v1'];
    return run('skopeo', args, { env: { HTTPS_PROXY: proxyUrl, ...env } });
  }

  it('lets curl in with http://user:password@proxy, and by the offer of its 407', async () => {
    assert.equal(await curl(proxyOf(USER, PASSWORD)), '200 200');
    const offered = ['--proxy-anyauth', '--proxy-user', `${USER}:${PASSWORD}`];
    assert.equal(await curl(proxy.url, ...offered), '200 200');
  });

  it('tells curl 407 without a password and with a wrong one', async () => {
    await assert.rejects(curl(proxy.url), /407/);
    await assert.rejects(curl(proxyOf(USER, 'wrong')), /407/);
    await assert.rejects(curl(proxyOf('nobody', PASSWORD)), /407/);
  });

  it('lets skopeo in with http://user:password@proxy, and tells it what is missing otherwise', async () => {
    assert.equal((await skopeo(proxyOf(USER, PASSWORD))).trim(), session().lab.fixtures.small.root);
    await assert.rejects(skopeo(proxy.url), /Proxy Authentication Required/);
    await assert.rejects(skopeo(proxyOf(USER, 'wrong')), /Proxy Authentication Required/);
  });

  it('names the user in the log, and no password anywhere in it', async () => {
    const lines = (await proxy.log()) as (LogLine & { readonly user?: string })[];
    const exchanges = lines.filter(({ msg }) => msg === 'Exchange');
    assert.ok(exchanges.length > 0);
    assert.ok(exchanges.every(({ user }) => user === USER));
    const said = JSON.stringify(lines);
    for (const secret of [
      PASSWORD,
      encodeURIComponent(PASSWORD),
      Buffer.from(`${USER}:${PASSWORD}`).toString('base64'),
    ]) {
      assert.ok(!said.includes(secret));
    }
  });

  it('says in the log when curl or skopeo does not trust our CA, for which host, and what to do', async () => {
    const { authorityFile } = session().lab.certificates;
    await assert.rejects(curl(proxyOf(USER, PASSWORD), '--cacert', authorityFile), /certificate/i);
    await assert.rejects(
      skopeo(proxyOf(USER, PASSWORD), { SSL_CERT_FILE: authorityFile, SSL_CERT_DIR: '/nonexistent' }),
      /certificate/,
    );
    let told: (LogLine & { readonly host?: string })[] = [];
    while (told.length < 2) told = (await proxy.log()).filter(({ reason }) => reason === 'untrusted-ca');
    for (const { host, msg } of told) {
      assert.equal(host, 'quay.io');
      assert.match(msg ?? '', /install ca\.crt there/);
    }
  });
});
