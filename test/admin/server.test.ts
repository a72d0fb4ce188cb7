import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { type AdminServer, createAdminServer, type Readiness } from '../../src/admin/server.js';
import type { Stats } from '../../src/admin/stats.js';
import { ConfigError } from '../../src/errors.js';
import { parseHostPatterns } from '../../src/net/host-pattern.js';
import { createSilentLogger } from '../../src/telemetry/log.js';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.js';
import { offerOf } from '../../src/tls/offer.js';
import { type Authorities, beginRotation, openAuthorities } from '../../src/tls/rotation.js';
import { createStage } from '../inventory/stage.js';

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const TOKEN = 'the-token-of-this-test';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const OPEN_PATHS = ['/healthz', '/readyz', '/metrics', '/ca.crt', '/ca.der'];
const NOTHING = { bytes: 0, entries: 0 };
const STATS: Stats = {
  startedAt: '2026-01-01T00:00:00.000Z',
  uptimeMs: 1,
  store: { ...NOTHING, damaged: 0, quarantine: NOTHING, kept: NOTHING },
  requests: { hit: 4 },
  sentBytes: { cache: 5 },
  fillsInFlight: 6,
  tunnels: 7,
};

describe('admin/server', () => {
  let folder = '';
  let pem = '';
  let authorities: Authorities;
  let server: AdminServer;
  let readiness: Readiness = { ready: true, faults: [] };
  const wholeMetrics = createMetrics({ nodeDefaults: false });
  let metricsFail = false;
  const stage = createStage();
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
      stats: async () => STATS,
      inventory: stage.operations,
      token: TOKEN,
      hosts: parseHostPatterns(['admin.example', '*.corp.example']),
      logger: createSilentLogger(),
    });
  }

  async function ask(url: string, method = 'GET', headers: http.OutgoingHttpHeaders = {}, body = ''): Promise<Answer> {
    const request = http.request({ host: server.host, port: server.port, path: url, method, headers, agent: false });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end(body);
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
      ['/api/v1/nothing', 'GET', 404],
      ['/ca.crt/../healthz', 'GET', 404],
      ['/healthz', 'DELETE', 404],
      ['/%', 'GET', 400],
    ] as const) {
      const answer = await ask(url, method, BEARER);
      assert.equal(answer.status, status, url);
      assert.equal(typeof (JSON.parse(answer.body.toString()) as { error: string }).error, 'string');
    }
  });

  it('K01: answers 401 without the token or with another, and tells nothing', async () => {
    for (const authorization of [undefined, `Bearer ${TOKEN}x`, 'Bearer ', `Basic ${TOKEN}`, TOKEN]) {
      const answer = await ask('/api/v1/stats', 'GET', authorization === undefined ? {} : { authorization });
      assert.equal(answer.status, 401, authorization);
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer /);
      assert.doesNotMatch(answer.body.toString(), /uptime|entries/);
    }
    const right = await ask('/api/v1/stats', 'GET', BEARER);
    assert.equal(right.status, 200);
    assert.deepEqual(JSON.parse(right.body.toString()), STATS);
  });

  it('K01: tells a stranger nothing of which paths and methods there are', async () => {
    const answers = [
      await ask('/api/v1/stats', 'DELETE'),
      await ask('/api/v1/nothing'),
      await ask('/admin.token'),
      await ask('/ca.key'),
    ];
    for (const { status } of answers) assert.ok([401, 429].includes(status), String(status));
  });

  it('K03: refuses web pages of other origins, even with the token, and sets no cookie', async () => {
    const foreign: http.OutgoingHttpHeaders[] = [
      { origin: 'http://evil.test' },
      { origin: 'null' },
      { origin: `http://${server.host}:1` },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const answer = await ask('/api/v1/stats', method, { ...BEARER, ...headers });
        assert.equal(answer.status, 403, JSON.stringify(headers));
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
    }
    const own = { origin: `http://${server.host}:${server.port}`, 'sec-fetch-site': 'same-origin' };
    const answer = await ask('/api/v1/stats', 'GET', { ...BEARER, ...own });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['set-cookie'], undefined);
    assert.equal((await ask('/api/v1/stats', 'OPTIONS', foreign[0])).status, 403);
  });

  it('K03: takes a cookie, a query or a form for no token', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const answers = [
      await ask('/api/v1/stats', 'GET', { cookie: `token=${TOKEN}` }),
      await ask(`/api/v1/stats?token=${TOKEN}`),
      await ask('/api/v1/stats', 'POST', form, `token=${TOKEN}`),
    ];
    for (const { status } of answers) assert.ok([401, 429].includes(status), String(status));
  });

  it('K04: answers 421 to a Host that is none of its own, and answers open paths under any', async () => {
    const hosts = ['evil.test', 'evil.test:3129', 'localhost.evil.test', 'corp.example', '127.1', 'a b'];
    for (const host of hosts) {
      assert.equal((await ask('/api/v1/stats', 'GET', { ...BEARER, host })).status, 421, host);
      for (const url of OPEN_PATHS) assert.notEqual((await ask(url, 'GET', { host })).status, 421, url);
    }
    for (const host of [
      '127.0.0.1',
      '[::1]:3129',
      '10.1.2.3',
      'localhost',
      'LOCALHOST:9',
      'admin.example:80',
      'a.corp.example',
    ]) {
      assert.equal((await ask('/api/v1/stats', 'GET', { ...BEARER, host })).status, 200, host);
    }
  });

  it('K05: answers in JSON that no browser takes for a page, with nothing in it that could run', async () => {
    for (const url of ['/api/v1/stats', '/%3Cscript%3Ealert(1)%3C/script%3E']) {
      const { headers, body } = await ask(url, 'GET', BEARER);
      assert.match(headers['content-type'] ?? '', /^application\/json/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(String(headers['content-security-policy']), /^default-src 'none'; frame-ancestors 'none'/);
      assert.doesNotMatch(body.toString(), /<script/i);
    }
  });

  it('K07: tells the fingerprint with the certificate, and never serves a key', async () => {
    const { headers, body } = await ask('/ca.crt');
    const expected = new X509Certificate(body).fingerprint256;
    assert.equal(headers['x-fingerprint-sha256'], expected);
    for (const url of ['/ca.key', '/../ca.key', '/ca.crt/../ca.key', '/%2e%2e/ca.key']) {
      const answer = await ask(url, 'GET', BEARER);
      assert.ok(answer.status >= 400, url);
      assert.doesNotMatch(answer.body.toString(), /PRIVATE KEY/);
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
