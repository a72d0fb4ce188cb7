import assert from 'node:assert/strict';
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import tls from 'node:tls';
import { run } from '../../src/cli/run.js';
import { PACKAGE_ROOT } from '../../src/config/paths.js';
import { openAuthority } from '../../src/tls/authority.js';
import { beginRotation } from '../../src/tls/rotation.js';
import { createFakeIo } from '../cli/fake-io.js';
import { connectRaw, exchangeRaw } from '../support/raw-client.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const DAY_MS = 86_400_000;
const TEN_YEARS_MS = 3652 * DAY_MS;

/** What the proxy's CA goes through, and what strangers try with it, seen from outside. */
describe('integration/ca-lifecycle', () => {
  let dir: TempDir;
  let caDir: string;
  let proxy: TestProxy | undefined;

  beforeEach(async () => {
    dir = await createTempDir();
    caDir = join(dir.path, 'ca');
  });

  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
    await dir.remove();
  });

  async function start(flags: Readonly<Record<string, string>> = {}): Promise<TestProxy> {
    proxy = await startProxy({
      registries: [],
      flags: { 'ca-dir': caDir, intercept: 'all', 'upstream-ca': '', ...flags },
    });
    return proxy;
  }

  async function admin(path: string): Promise<Response> {
    return fetch(`http://${proxy?.app.admin?.host}:${proxy?.app.admin?.port}${path}`);
  }

  async function own(path: string): Promise<Response> {
    return fetch(`http://${proxy?.place.host}:${proxy?.place.port}${path}`);
  }

  /** Shakes hands through a CONNECT; gives the certificate that the proxy shows, or rejects as the client does. */
  async function certificateOf(
    host: string,
    ca: string,
    options: tls.ConnectionOptions = {},
  ): Promise<X509Certificate> {
    assert.ok(proxy);
    const client = await connectRaw(proxy.place);
    const authority = host.includes(':') ? `[${host}]:443` : `${host}:443`;
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    assert.match(await client.readUntil('\r\n\r\n'), /^HTTP\/1\.1 200 /);
    client.socket.removeAllListeners('data');
    const secured = tls.connect({ socket: client.socket, host, servername: host, ca, ...options });
    try {
      return await new Promise((resolve, reject) => {
        secured.on('error', reject).on('secureConnect', () => {
          const certificate = secured.getPeerX509Certificate();
          if (certificate) resolve(certificate);
        });
      });
    } finally {
      secured.destroy();
      client.destroy();
    }
  }

  async function caFiles(): Promise<Record<string, string>> {
    const names = (await readdir(caDir)).sort();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(caDir, name), 'hex')])),
    );
  }

  it('B21: both certificates are offered during a rotation, with their fingerprints, and the new one signs', async () => {
    await openAuthority(caDir);
    const now = Date.now();
    const { current, next } = await beginRotation(caDir, { now, switchAt: now, permittedNames: [] });
    assert.ok(next);
    await start();
    const fingerprints = `${current.fingerprintSha256}, ${next.authority.fingerprintSha256}`;
    for (const answer of [await own('/ca.crt'), await admin('/ca.crt')]) {
      assert.equal(answer.headers.get('x-fingerprint-sha256'), fingerprints);
      assert.equal(await answer.text(), current.trustPem + next.authority.trustPem);
    }
    assert.equal(proxy?.app.nextAuthority?.authority.fingerprintSha256, next.authority.fingerprintSha256);
    await certificateOf('quay.io', next.authority.trustPem);
    await certificateOf('quay.io', current.trustPem + next.authority.trustPem);
    await assert.rejects(certificateOf('quay.io', current.trustPem));
  });

  it('B06: readiness warns and stays ready from 30 days before the end, and the metric counts down', async () => {
    const made = Date.now() - TEN_YEARS_MS + 10 * DAY_MS + 60_000;
    const { notAfter } = await openAuthority(caDir, { now: () => made });
    await start();
    const ready = await admin('/readyz');
    assert.equal(ready.status, 200);
    const { warnings } = (await ready.json()) as { warnings: readonly string[] };
    assert.match(warnings.join('\n'), /the CA certificate expires in 10 days, on .*; run "entrepot ca rotate"/);
    const seconds = (await proxy?.metric('entrepot_ca_expires_seconds')) ?? 0;
    assert.ok(Math.abs(seconds - (notAfter - Date.now()) / 1000) < 3600);
  });

  it('B06: a CA with years to go is no matter of readiness', async () => {
    await start();
    const { warnings, faults } = (await (await admin('/readyz')).json()) as Record<string, readonly string[]>;
    assert.deepEqual([warnings, faults], [[], []]);
  });

  it('B10: hosts outside of the name constraints are not opened', async () => {
    await start({ 'ca-name-constraints': 'ghcr.io', 'egress-allow': '' });
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    await certificateOf('a.ghcr.io', ca);
    assert.ok(proxy);
    // A tunnel dials before the 200, and loopback may not be dialled; an opened host is answered at once.
    const answer = await exchangeRaw(proxy.place, 'CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n');
    assert.match(answer, /^HTTP\/1\.1 403 /);
    await proxy.close();
    caDir = join(dir.path, 'unconstrained');
    await start({ 'egress-allow': '' });
    const opened = await readFile(join(caDir, 'ca.crt'), 'utf8');
    assert.equal((await certificateOf('localhost', opened)).subjectAltName, 'DNS:localhost');
  });

  it('B01: names that mean something to JavaScript or to a file system are names and nothing else', async () => {
    await start();
    assert.ok(proxy);
    const before = await caFiles();
    const malformed = [
      '1:443',
      '999.999.1.1:443',
      '../../x:443',
      'a/b:443',
      '%2e%2e:443',
      'a\\b:443',
      '.:443',
      '..:443',
    ];
    for (const authority of malformed) {
      const answer = await exchangeRaw(proxy.place, `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 400 /, authority);
    }
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    const names = ['constructor', '__proto__', 'prototype', 'tostring', 'hasownproperty', 'con', 'nul', 'aux'];
    for (const name of names) assert.equal((await certificateOf(name, ca)).subjectAltName, `DNS:${name}`);
    assert.equal((await admin('/healthz')).status, 200);
    assert.deepEqual(await caFiles(), before);
  });

  it('B02: a client cannot touch the CA by naming it', async () => {
    await start();
    assert.ok(proxy);
    const before = await caFiles();
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    for (const name of ['ca', 'ca.key', 'ca.crt', 'next.key', 'ca.private']) await certificateOf(name, ca);
    assert.deepEqual(await caFiles(), before);
  });

  it('B12: an address is shown its own certificate, without a server name', async () => {
    await start({ 'egress-allow': '127.0.0.0/8,::1' });
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    for (const [host, name] of [
      ['127.0.0.9', 'IP Address:127.0.0.9'],
      ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
    ] as const) {
      assert.equal((await certificateOf(host, ca, { servername: '' })).subjectAltName, name);
    }
  });

  it('B13: one host has one certificate however it is written, and what is no host name gets none', async () => {
    await start();
    assert.ok(proxy);
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    const long = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`;
    const rows = [
      ['QUAY.io', 'quay.io'],
      ['quay.io.', 'quay.io'],
      ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
      ['under_score.example', 'under_score.example'],
      [long, long],
    ] as const;
    for (const [written, name] of rows) {
      const certificate = await certificateOf(written, ca, { servername: name, host: name });
      assert.equal(certificate.subjectAltName, `DNS:${name}`);
    }
    for (const name of ['b\u00fccher.example', `${'a'.repeat(64)}.example`, `${long}d`, 'a..b', '-a.example', 'a b']) {
      const answer = await exchangeRaw(proxy.place, `CONNECT ${name}:443 HTTP/1.1\r\nHost: ${name}:443\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 400 /, name);
    }
  });

  it('B14: the certificate is that of the CONNECT, and another server name ends the handshake', async () => {
    await start();
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    await assert.rejects(certificateOf('quay.io', ca, { servername: 'ghcr.io' }));
    assert.equal(await proxy?.metric('entrepot_faults_total{code="client-tls",source="downstream"}'), 1);
    const without = await certificateOf('quay.io', ca, { servername: '' });
    assert.equal(without.subjectAltName, 'DNS:quay.io');
    assert.equal((await certificateOf('quay.io', ca, { servername: 'QUAY.io' })).subjectAltName, 'DNS:quay.io');
  });

  it('B15: odd server names end one handshake and not the process', async () => {
    await start();
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    for (const servername of ['__proto__', 'a b', '\u00e4', 'x'.repeat(300), '*', '..']) {
      await assert.rejects(certificateOf('quay.io', ca, { servername }));
    }
    await certificateOf('quay.io', ca);
    assert.equal((await admin('/healthz')).status, 200);
  });

  it('B24: a session of one host is resumed there and at no other', async () => {
    await start();
    const ca = await readFile(join(caDir, 'ca.crt'), 'utf8');
    async function resume(host: string, session?: Buffer): Promise<{ reused: boolean; session: Buffer }> {
      assert.ok(proxy);
      const client = await connectRaw(proxy.place);
      client.send(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`);
      await client.readUntil('\r\n\r\n');
      client.socket.removeAllListeners('data');
      const secured = tls.connect({ socket: client.socket, host, servername: host, ca, ...(session && { session }) });
      const isNew = session === undefined ? once(secured, 'session') : undefined;
      await once(secured.resume(), 'secureConnect');
      // A ticket comes after the handshake, and none when one has just been used.
      const [ticket = Buffer.alloc(0)] = ((await isNew) ?? []) as readonly Buffer[];
      const reused = secured.isSessionReused();
      secured.destroy();
      client.destroy();
      return { reused, session: ticket };
    }
    const { session } = await resume('quay.io');
    assert.equal((await resume('quay.io', session)).reused, true);
    assert.equal((await resume('ghcr.io', session)).reused, false);
  });

  it('B07: no route, command or file outside of the folder has the key', async () => {
    await openAuthority(caDir);
    await beginRotation(caDir, { now: Date.now(), switchAt: Date.now() + DAY_MS, permittedNames: [] });
    await start();
    assert.ok(proxy);
    const seen: string[] = [];
    const paths = [
      'ca.crt',
      'ca.der',
      'ca.key',
      'next.key',
      'ca.pem',
      '../ca/ca.key',
      '%2e%2e/ca/ca.key',
      'ca/ca.key',
      'metrics',
    ];
    for (const path of ['', ...paths, 'readyz', 'api/v1/stats', 'api/v1/openapi.json', 'setup/docker']) {
      for (const ask of [own, admin])
        seen.push(Buffer.from(await (await ask(`/${path}`)).arrayBuffer()).toString('latin1'));
    }
    for (const argv of [
      ['ca', 'show'],
      ['ca', 'show', '--json'],
      ['ca', 'export'],
      ['ca', 'init'],
      ['ca', 'rotate', '--finish'],
    ]) {
      const io = createFakeIo({ env: { ENTREPOT_CA_DIR: caDir, HOME: dir.path } });
      await run(argv, io, 100);
      seen.push(io.written.out + io.written.error);
    }
    const data = join(proxy.folder, 'data');
    for (const name of await readdir(data, { recursive: true })) {
      seen.push(await readFile(join(data, name), 'latin1').catch(() => ''));
    }
    for (const file of ['ca.key', 'next.key']) {
      const pem = await readFile(join(caDir, file), 'utf8');
      const body = pem.split('-----')[2]?.trim().split('\n') ?? [];
      const { d = '' } = createPrivateKey(pem.slice(pem.indexOf('-----BEGIN'))).export({ format: 'jwk' });
      const secret = Buffer.from(d, 'base64url');
      assert.equal(secret.length, 32);
      // The first line of P-256 in PKCS#8 is the same for every key but for its end.
      const traces = [...body.slice(1), d, secret.toString('latin1'), secret.toString('hex')];
      for (const trace of traces) assert.ok(seen.every((text) => !text.includes(trace)));
    }
    assert.ok(seen.every((text) => !text.includes('PRIVATE KEY')));
    assert.ok(seen.some((text) => text.includes('BEGIN CERTIFICATE')));
  });

  it('B22: the drill of SECURITY.md after the theft of the key gives another CA at once', async () => {
    const { fingerprintSha256: stolen } = await openAuthority(caDir);
    const security = await readFile(join(PACKAGE_ROOT, 'SECURITY.md'), 'utf8');
    const [, drill = ''] = /## If the CA key was stolen\n([\s\S]*?)\n## /.exec(security) ?? [];
    const commands = [...drill.matchAll(/entrepot (ca [a-z]+(?: --[a-z-]+(?: \d+)?)*)/g)].map(
      ([, words = '']) => words,
    );
    assert.deepEqual(commands, ['ca rotate --in 0', 'ca show', 'ca rotate --finish']);
    const env = { ENTREPOT_CA_DIR: caDir, HOME: dir.path };
    for (const words of commands) {
      const io = createFakeIo({ env });
      assert.equal(await run(words.split(' '), io, 100), 0, io.written.error);
    }
    assert.notEqual((await openAuthority(caDir)).fingerprintSha256, stolen);
  });
});
