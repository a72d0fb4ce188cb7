import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { run } from '../lab/command.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

// What curl, an OpenSSL client that trusts the proxy's CA and nothing else, is told about where its bytes came from.

interface Answer {
  readonly status: number;
  readonly cacheStatus: string;
  readonly text: string;
}

describe('e2e: what the proxy says about a pull', () => {
  let proxy: RunningProxy;

  before(async () => {
    proxy = await startProxy('data-answers');
  });

  after(async () => {
    assert.equal(await proxy?.stop(), 0);
  });

  async function curl(url: string, ...options: string[]): Promise<Answer> {
    const trusted = ['--cacert', session().caFile, '--proxy', proxy.url];
    const said = await run('curl', ['-sS', '-i', '--suppress-connect-headers', ...trusted, ...options, url]);
    const [head = '', text = ''] = said.split('\r\n\r\n');
    const cacheStatus = /^cache-status: (?<value>.*)$/im.exec(head)?.groups?.['value'] ?? '';
    return { status: Number(head.split(' ')[1]), cacheStatus, text };
  }

  it('names hit and miss in Cache-Status, in the log and in the metrics', async () => {
    const { config } = session().lab.fixtures.small.platforms[0];
    const url = `https://quay.io/v2/library/small/blobs/${config}`;
    const cold = await curl(url);
    const warm = await curl(url);
    assert.deepEqual([cold.status, warm.status], [200, 200]);
    assert.equal(cold.text, warm.text);
    assert.match(cold.cacheStatus, /^entrepot; ?fwd=uri-miss; ?stored/);
    assert.match(warm.cacheStatus, /^entrepot; ?hit; ?detail=\w+/);

    const lines = (await proxy.log()).filter(({ kind, reference }) => kind === 'blob' && reference === config);
    const told = lines.map(({ registry, repository, method, status, bytes }) => {
      return { registry, repository, method, status, bytes };
    });
    const bytes = Buffer.byteLength(cold.text);
    const expected = { registry: 'quay.io', repository: 'library/small', method: 'GET', status: 200, bytes };
    assert.deepEqual(told, [expected, expected]);

    const metrics = await (await fetch(`${proxy.admin}/metrics`)).text();
    for (const name of ['entrepot_requests_total', 'entrepot_sent_bytes_total', 'entrepot_upstream_requests_total']) {
      assert.match(metrics, new RegExp(`^${name}\\{.*registry="quay.io".*\\} [1-9]`, 'm'));
    }
  });

  it('hands a credential to no log and to no metric', async () => {
    const accept = 'Accept: application/vnd.oci.image.manifest.v1+json';
    const url = 'https://registry.test/v2/private/secret/manifests/v1';
    const { status } = await curl(url, '-u', 'alice:secret', '-H', accept);
    assert.equal(status, 200);
    const log = JSON.stringify(await proxy.log());
    const metrics = await (await fetch(`${proxy.admin}/metrics`)).text();
    const basic = Buffer.from('alice:secret').toString('base64');
    for (const secret of ['alice:secret', basic]) assert.ok(!log.includes(secret) && !metrics.includes(secret));
  });

  it('tunnels a host that is no registry, with its own certificate', async () => {
    await assert.rejects(curl('https://auth.docker.io/token'), /certificate/);
    const { authorityFile } = session().lab.certificates;
    const { status } = await curl('https://auth.docker.io/token', '--cacert', authorityFile);
    assert.equal(status, 200);
  });

  it('gives its CA at both ports', async () => {
    const ca = (await readFile(session().caFile, 'utf8')).trim();
    for (const base of [proxy.url, proxy.admin]) {
      assert.equal((await (await fetch(`${base}/ca.crt`)).text()).trim(), ca);
    }
  });
});
