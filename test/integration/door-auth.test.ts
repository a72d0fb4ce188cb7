import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { hashSync } from 'bcryptjs';
import { ConfigError } from '../../src/errors.js';
import { headerValues } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { connectRaw, exchangeRaw, openTlsTunnel, rawClient } from '../support/raw-client.js';
import { spawnProxy } from '../support/spawn-proxy.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Who may use the proxy: by password, by address, and what is said where nobody has said anything.
 */

function credentials(user: string, password: string): string {
  return `Proxy-Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

describe('integration/door: who may use it', () => {
  let registry: FakeRegistry;
  let folder: TempDir;
  let users = '';
  before(async () => {
    registry = await startFakeRegistry();
    folder = await createTempDir();
    users = path.join(folder.path, 'users');
    await writeFile(users, `ada:${hashSync('secret', 4)}\n`);
  });
  beforeEach(() => registry.forget());
  after(async () => {
    await registry.close();
    await folder.remove();
  });

  describe('--proxy-auth', () => {
    let proxy: TestProxy;
    before(async () => {
      proxy = await startProxy({ registries: [registry], flags: { 'proxy-auth': users } });
    });
    after(() => proxy.close());
    const connect = (authority: string, ...lines: string[]) =>
      exchangeRaw(
        proxy.place,
        `${[`CONNECT ${authority} HTTP/1.1`, `Host: ${authority}`, ...lines].join('\r\n')}\r\n\r\n`,
      );
    const plain = (...lines: string[]) => {
      const { plainAuthority } = registry;
      const head = [
        `GET http://${plainAuthority}/v2/ HTTP/1.1`,
        `Host: ${plainAuthority}`,
        'Connection: close',
        ...lines,
      ];
      return exchangeRaw(proxy.place, `${head.join('\r\n')}\r\n\r\n`);
    };

    it('answers 407 with a challenge that clients understand, to CONNECT and to plain requests', async () => {
      const wrong = [
        [],
        [credentials('ada', 'wrong')],
        [credentials('nobody', 'secret')],
        ['Proxy-Authorization: Bearer x'],
      ];
      for (const lines of wrong) {
        for (const authority of [registry.authority, registry.cdnAuthority]) {
          const answer = await connect(authority, ...lines);
          assert.match(answer, /^HTTP\/1\.1 407 Proxy Authentication Required\r\n/);
          assert.match(answer, /\r\nProxy-Authenticate: Basic realm="entrepot"\r\n/);
          assert.match(answer, /\{"errors":\[\{"code":"UNAUTHORIZED"/);
        }
        const answer = await plain(...lines);
        assert.match(answer, /^HTTP\/1\.1 407 [^]*\r\nProxy-Authenticate: Basic realm="entrepot"\r\n/);
      }
      assert.equal(registry.requests.length, 0);
    });

    it('lets a user in, and never hands the password on', async () => {
      const connectLines = [credentials('ada', 'secret')];
      const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority, connectLines });
      const client = rawClient(socket);
      client.send(
        `GET /v2/ HTTP/1.1\r\nHost: ${registry.authority}\r\n${connectLines[0]}\r\nConnection: close\r\n\r\n`,
      );
      assert.match(String(await client.readAll()), /^HTTP\/1\.1 200 /);
      assert.match(await plain(...connectLines), /^HTTP\/1\.1 200 /);
      assert.equal(registry.requests.length, 2);
      for (const { headers } of registry.requests) {
        assert.deepEqual(headerValues(headers, 'proxy-authorization'), []);
        assert.doesNotMatch(headers.join('\n'), new RegExp(connectLines[0]?.slice(-8) ?? ''));
      }
    });

    it('gives its certificate to everybody, and nothing else', async () => {
      const own = (target: string) =>
        exchangeRaw(proxy.place, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      assert.match(await own('/ca.crt'), /^HTTP\/1\.1 200 [^]*BEGIN CERTIFICATE/);
      assert.match(await own('/'), /^HTTP\/1\.1 400 /);
    });
  });

  it('refuses to start with an htpasswd file that is wrong, and says which line', async () => {
    const bad = path.join(folder.path, 'bad');
    await writeFile(bad, 'ada:secret\n');
    await assert.rejects(startProxy({ registries: [registry], flags: { 'proxy-auth': bad } }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /bad:1: the password of ada is not hashed with bcrypt/);
      return true;
    });
    await rm(bad);
  });

  it('A12, A13: listens on loopback alone unless told so, and judges by socket address', async () => {
    const proxy = await startProxy({ registries: [registry], flags: { 'allow-clients': '127.0.0.2/32' } });
    const claims = 'X-Forwarded-For: 127.0.0.2\r\nX-Real-IP: 127.0.0.2\r\nForwarded: for=127.0.0.2';
    const request = `CONNECT ${registry.authority} HTTP/1.1\r\nHost: x\r\n${claims}\r\n\r\n`;
    assert.match(await exchangeRaw(proxy.place, request), /^HTTP\/1\.1 403 [^]*--allow-clients 127\.0\.0\.1\/32/);
    const permitted = net.connect({ ...proxy.place, localAddress: '127.0.0.2' });
    const client = rawClient(permitted);
    client.send(request);
    assert.match(await client.readUntil('\r\n\r\n'), /^HTTP\/1\.1 200 /);
    client.destroy();
    assert.equal(proxy.place.host, '127.0.0.1');
    await proxy.close();
  });

  it('A12: names the ranges that are let in where it listens for other machines and nobody has said who may come', async function () {
    this.timeout(60_000);
    const warning = /"ranges":"127\.0\.0\.0\/8 [^"]*100\.64\.0\.0\/10[^"]*","msg":"Every machine in these ranges/;
    for (const [flags, warns] of [
      [{ listen: '0.0.0.0:0' }, true],
      [{ listen: '0.0.0.0:0', 'allow-clients': '127.0.0.0/8' }, false],
      [{ listen: '0.0.0.0:0', 'proxy-auth': users }, false],
      [{ listen: '127.0.0.1:0' }, false],
    ] as const) {
      const data = path.join(folder.path, 'listen');
      await mkdir(data, { recursive: true });
      const running = await spawnProxy(data, { registries: [registry], flags });
      await running.end('SIGTERM');
      assert.equal(warning.test(running.output()), warns, `${JSON.stringify(flags)}: ${running.output()}`);
    }
  });

  it('names the user in the log, for exchanges and for tunnels', async () => {
    const data = path.join(folder.path, 'named');
    await mkdir(data, { recursive: true });
    const running = await spawnProxy(data, { registries: [registry], flags: { 'proxy-auth': users } });
    const connectLines = [credentials('ada', 'secret')];
    const socket = await openTlsTunnel({ ...running.way, authority: registry.authority, connectLines });
    const client = rawClient(socket);
    client.send(`GET /v2/ HTTP/1.1\r\nHost: ${registry.authority}\r\nConnection: close\r\n\r\n`);
    await client.readAll();
    const tunnelled = await connectRaw(running.place);
    tunnelled.send(`CONNECT ${registry.cdnAuthority} HTTP/1.1\r\nHost: x\r\n${connectLines[0]}\r\n\r\n`);
    await tunnelled.readUntil('\r\n\r\n');
    tunnelled.destroy();
    assert.match(
      await exchangeRaw(
        running.place,
        `CONNECT ${registry.authority} HTTP/1.1\r\nHost: x\r\n${credentials('eve', 'canary-1')}\r\n\r\n`,
      ),
      /^HTTP\/1\.1 407 /,
    );
    await running.end('SIGTERM');
    const lines = running
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const [exchange, tunnel, refused] = ['Exchange', 'Tunnel closed', 'Refused at the door'].map((msg) =>
      lines.find((line) => line['msg'] === msg),
    );
    assert.deepEqual([exchange?.['client'], exchange?.['user']], ['127.0.0.1', 'ada']);
    assert.deepEqual([tunnel?.['client'], tunnel?.['user']], ['127.0.0.1', 'ada']);
    assert.deepEqual([refused?.['code'], refused?.['user']], ['proxy-auth', undefined]);
    for (const secret of ['secret', 'canary-1', connectLines[0]?.split(' ').at(-1) ?? '']) {
      assert.ok(!running.output().includes(secret), secret);
    }
  });
});
