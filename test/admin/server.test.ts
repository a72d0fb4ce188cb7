import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type AdminServer, createAdminServer, type Readiness } from '../../src/admin/server.js';
import { ConfigError } from '../../src/errors.js';
import { createSilentLogger } from '../../src/telemetry/log.js';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js';
import { offerOf } from '../../src/tls/offer.js';
import { type Authorities, beginRotation, openAuthorities } from '../../src/tls/rotation.js';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

describe('admin/server', () => {
  let folder = '';
  let pem = '';
  let authorities: Authorities;
  let server: AdminServer;
  let readiness: Readiness = { ready: true, faults: [] };
  const wholeMetrics = createMetrics({ nodeDefaults: false });
  let metricsFail = false;
  const metrics: Pick<Metrics, 'render'> = {
    render: async () => {
      if (metricsFail) throw new Error('secret');
      return wholeMetrics.render();
    },
  };

  function start(port: number): Promise<AdminServer> {
    const listen = { host: '127.0.0.1', port };
    return createAdminServer({
      listen,
      metrics,
      offer: () => offerOf(authorities, Date.now()),
      readiness: () => readiness,
      logger: createSilentLogger(),
    });
  }

  async function ask(url: string, method = 'GET'): Promise<Answer> {
    const request = http.request({ host: server.host, port: server.port, path: url, method, agent: false });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end();
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
  }

  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-admin-'));
    authorities = await openAuthorities(folder);
    pem = authorities.current.certificatePem;
    server = await start(0);
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('offers both certificates during a rotation, and says their fingerprints', async () => {
    const before = authorities;
    authorities = await beginRotation(folder, { now: Date.now(), switchAt: Date.now(), permittedNames: [] });
    const { current, next } = authorities;
    const both = await ask('/ca.crt');
    assert.equal(both.body.toString(), `${current.trustPem}${next?.authority.trustPem}`);
    const fingerprints = `${current.fingerprintSha256}, ${next?.authority.fingerprintSha256}`;
    assert.equal(both.headers['x-fingerprint-sha256'], fingerprints);
    const der = await ask('/ca.der');
    assert.equal(new X509Certificate(der.body).fingerprint256, next?.authority.fingerprintSha256);
    assert.equal(der.headers['x-fingerprint-sha256'], next?.authority.fingerprintSha256);
    authorities = before;
  });

  it('is healthy as long as it answers', async () => {
    const { status, body } = await ask('/healthz');
    assert.equal(status, 200);
    assert.equal(body.toString(), 'ok\n');
  });

  it('is ready, or says why not', async () => {
    readiness = { ready: true, faults: ['The index was rebuilt.'], warnings: ['A certificate is not checked.'] };
    const yes = await ask('/readyz');
    assert.equal(yes.status, 200);
    assert.deepEqual(JSON.parse(yes.body.toString()), readiness);
    readiness = { ready: false, faults: ['The disk is full.'] };
    const no = await ask('/readyz');
    assert.equal(no.status, 503);
    assert.deepEqual(JSON.parse(no.body.toString()), { ...readiness, warnings: [] });
  });

  it('hands out metrics in the text format', async () => {
    const { status, headers, body } = await ask('/metrics');
    assert.equal(status, 200);
    assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(body.toString(), /^entrepot_evictions_total 0$/m);
  });

  it('hands out the CA certificate in both forms, never the key', async () => {
    const asPem = await ask('/ca.crt');
    assert.equal(asPem.headers['content-type'], 'application/x-pem-file');
    assert.equal(asPem.headers['content-disposition'], 'attachment; filename="entrepot-ca.crt"');
    assert.equal(asPem.body.toString(), pem);
    const asDer = await ask('/ca.der');
    assert.equal(asDer.headers['content-type'], 'application/pkix-cert');
    assert.equal(new X509Certificate(asDer.body).fingerprint256, new X509Certificate(pem).fingerprint256);
    assert.doesNotMatch(asPem.body.toString() + asDer.body.toString('latin1'), /PRIVATE KEY/);
  });

  it('answers JSON to unknown paths, methods and malformed URLs', async () => {
    for (const [url, method, status] of [
      ['/', 'GET', 404],
      ['/api/v1/stats', 'GET', 404],
      ['/ca.crt/../healthz', 'GET', 404],
      ['/healthz', 'DELETE', 404],
      ['/%', 'GET', 400],
    ] as const) {
      const answer = await ask(url, method);
      assert.equal(answer.status, status, url);
      assert.equal(typeof (JSON.parse(answer.body.toString()) as { error: string }).error, 'string');
    }
  });

  it('sets its headers on every answer', async () => {
    for (const url of ['/healthz', '/absent', '/%', '/ca.crt']) {
      const { headers } = await ask(url);
      assert.equal(headers['x-content-type-options'], 'nosniff', url);
      assert.match(String(headers['content-security-policy']), /^default-src 'none'/, url);
    }
  });

  it('answers HEAD as it answers GET, without a body', async () => {
    const { status, headers, body } = await ask('/ca.crt', 'HEAD');
    assert.equal(status, 200);
    assert.equal(headers['content-length'], String(pem.length));
    assert.equal(body.length, 0);
  });

  it('tells nothing of a fault inside', async () => {
    metricsFail = true;
    const { status, body } = await ask('/metrics');
    metricsFail = false;
    assert.equal(status, 500);
    assert.deepEqual(JSON.parse(body.toString()), { error: 'internal error' });
  });

  it('outlives bytes that are no HTTP', async () => {
    const socket = net.connect(server.port, server.host);
    socket.end('\u0016\u0003\u0001 no HTTP\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1\.1 400 /);
    assert.equal((await ask('/healthz')).status, 200);
  });

  it('says in one sentence that its port is taken', async () => {
    await assert.rejects(start(server.port), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.problems, [
        `--admin-listen 127.0.0.1:${server.port}: another process listens there; stop it or choose another address.`,
      ]);
      return true;
    });
  });

  it('closes with a connection open', async () => {
    const other = await start(0);
    const socket = net.connect(other.port, other.host);
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await other.close();
    await closed;
  });
});
