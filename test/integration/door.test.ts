import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { headerValue, headerValues } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { connectRaw, exchangeRaw, openTlsTunnel, rawClient } from '../support/raw-client.js';
import { startRawUpstream } from '../support/raw-upstream.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * Who may reach what through the door.
 *
 * A proxy stands where its clients do not: on a machine with a metadata service, with things on loopback, with an admin
 * port. Nothing of that is reached through it, however it is spelled, and what is refused costs no packet. What comes in
 * malformed is refused before anybody upstream sees a byte of it.
 */

const NO_EXCEPTIONS = { 'egress-allow': '', intercept: 'all' };

function connectTo(authority: string): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`;
}

function plainTo(authority: string, path = '/'): string {
  return `GET http://${authority}${path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`;
}

/** Runs something and gives the places that this process connected to meanwhile. */
async function dialledBy(run: () => Promise<void>): Promise<string[]> {
  const places: string[] = [];
  // oxlint-disable-next-line typescript/unbound-method -- put back below, and applied to its socket in between
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function record(this: net.Socket, ...args: unknown[]) {
    const [first] = args.flat() as [{ host?: string; port?: number }];
    places.push(`${first.host}:${first.port}`);
    return Reflect.apply(connect, this, args) as net.Socket;
  };
  try {
    await run();
  } finally {
    net.Socket.prototype.connect = connect;
  }
  return places;
}

/** A listener on loopback that counts who comes. */
async function startBystander(host = '127.0.0.1') {
  let accepted = 0;
  const server = net.createServer((socket) => {
    accepted += 1;
    socket.destroy();
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get accepted() {
      return accepted;
    },
    close: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('integration/door', () => {
  let proxy: TestProxy | undefined;
  const start = async (flags: Readonly<Record<string, string>>, registries: readonly FakeRegistry[] = []) => {
    proxy = await startProxy({ registries, flags: registries.length > 0 ? flags : { 'upstream-ca': '', ...flags } });
    return proxy;
  };
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  const FORBIDDEN = [
    ['169.254.169.254', '169.254.0.1', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
    ['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255', '0.0.0.0', '0.1.2.3'],
    ['[fd00:ec2::254]', '[fe80::1]', '[ff02::1]', '[::]', '[64:ff9b::a9fe:a9fe]', '[::169.254.169.254]'],
  ].flat();

  for (const intercept of ['all', 'none']) {
    it(`A01: sends no packet to metadata, multicast and reserved addresses (--intercept ${intercept})`, async () => {
      const { place } = await start({ ...NO_EXCEPTIONS, intercept, 'connect-ports': '80,443' });
      const dialled = await dialledBy(async () => {
        for (const host of FORBIDDEN) {
          for (const request of [connectTo(`${host}:443`), connectTo(`${host}:80`), plainTo(host)]) {
            assert.match(await exchangeRaw(place, request), /^HTTP\/1\.1 403 /, request);
          }
        }
      });
      assert.deepEqual(new Set(dialled), new Set([`${place.host}:${place.port}`]));
    });
  }

  it('A02: reaches nothing on loopback, by address or by name, opened or not', async () => {
    const bystander = await startBystander();
    for (const intercept of ['all', 'none']) {
      const running = await start({
        ...NO_EXCEPTIONS,
        intercept,
        'connect-ports': String(bystander.port),
      });
      for (const host of ['127.0.0.1', '127.8.8.8', '[::1]', '0.0.0.0', '[::]']) {
        const authority = `${host}:${bystander.port}`;
        assert.match(await exchangeRaw(running.place, connectTo(authority)), /^HTTP\/1\.1 403 /, authority);
        assert.match(await exchangeRaw(running.place, plainTo(authority)), /^HTTP\/1\.1 403 /, authority);
      }
      const named = `localhost:${bystander.port}`;
      assert.match(await exchangeRaw(running.place, plainTo(named)), /^HTTP\/1\.1 403 /);
      if (intercept === 'none') assert.match(await exchangeRaw(running.place, connectTo(named)), /^HTTP\/1\.1 403 /);
      else assert.equal((await proxyGet({ ...running.way, authority: named, path: '/v2/' })).status, 403);
      await running.close();
      proxy = undefined;
    }
    assert.equal(bystander.accepted, 0);
    await bystander.close();
  });

  it('A02, K02: reaches neither its admin port nor its own, even where loopback is allowed', async () => {
    // The ports are known only once they are taken, so they are taken first.
    const [own, admin] = await freePorts();
    const ports = `${own},${admin}`;
    for (const intercept of ['all', 'none']) {
      const running = await start({
        intercept,
        'connect-ports': ports,
        'egress-allow': '0.0.0.0/0,::/0',
        listen: `127.0.0.1:${own}`,
        'admin-listen': `127.0.0.1:${admin}`,
      });
      const token = (await readFile(join(running.folder, 'data', 'admin.token'), 'utf8')).trim();
      const bearer = `Authorization: Bearer ${token}\r\n`;
      for (const port of [own, admin]) {
        for (const host of ['127.0.0.1', '0.0.0.0', '[::]']) {
          const authority = `${host}:${port}`;
          assert.match(await exchangeRaw(running.place, connectTo(authority)), /^HTTP\/1\.1 403 /, authority);
          const plain = plainTo(authority, '/api/v1/stats').replace('Connection:', `${bearer}Connection:`);
          assert.match(await exchangeRaw(running.place, plain), /^HTTP\/1\.1 403 /, authority);
        }
        const named = `localhost:${port}`;
        assert.match(await exchangeRaw(running.place, plainTo(named, '/healthz')), /^HTTP\/1\.1 403 /, named);
        if (intercept === 'none') assert.match(await exchangeRaw(running.place, connectTo(named)), /^HTTP\/1\.1 403 /);
        else assert.equal((await proxyGet({ ...running.way, authority: named, path: '/healthz' })).status, 403);
      }
      for (const path of ['/api/v1/stats', '/healthz', '/metrics', '/readyz', '/admin.token', '/ca.key']) {
        const request = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${bearer}Connection: close\r\n\r\n`;
        assert.match(await exchangeRaw(running.place, request), /^HTTP\/1\.1 400 /, path);
      }
      const stats = await fetch(`http://127.0.0.1:${admin}/api/v1/stats`, {
        headers: { authorization: `Bearer ${token}` },
      });
      assert.equal(stats.status, 200);
      assert.equal((await fetch(`http://127.0.0.1:${admin}/api/v1/stats`)).status, 401);
      await running.close();
      proxy = undefined;
    }
  });

  it('A03: takes no other spelling of an address, even where the address is allowed', async () => {
    const bystander = await startBystander();
    const { place } = await start({ intercept: 'none', 'connect-ports': String(bystander.port) });
    const spellings = [
      ['127.1', '127.0.1', '0x7f.1', '0x7f000001', '2130706433', '0177.0.0.1', '017700000001', '0', '1', '127.0.0.1.'],
      [
        '①②⑦.⓪.⓪.①',
        '127。0。0。1',
        '[::ffff:127.0.0.1]',
        '[::ffff:7f00:1]',
        '[127.0.0.1]',
        '127.0.0.1%00',
        '127.0.0.01',
      ],
    ].flat();
    for (const host of spellings) {
      const authority = `${host}:${bystander.port}`;
      const connect = await exchangeRaw(place, Buffer.from(connectTo(authority)));
      assert.match(connect, /^HTTP\/1\.1 40[03] /, authority);
      assert.match(await exchangeRaw(place, Buffer.from(plainTo(authority))), /^HTTP\/1\.1 40[03] /, authority);
    }
    assert.equal(bystander.accepted, 0);
    await bystander.close();
  });

  it('A03: takes localhost in any spelling for the loopback that it is', async () => {
    const bystander = await startBystander();
    const { place } = await start({ ...NO_EXCEPTIONS, intercept: 'none', 'connect-ports': String(bystander.port) });
    for (const host of ['localhost', 'LOCALHOST', 'localhost.']) {
      assert.match(await exchangeRaw(place, connectTo(`${host}:${bystander.port}`)), /^HTTP\/1\.1 403 /, host);
    }
    assert.equal(bystander.accepted, 0);
    await bystander.close();
  });

  it('A04: answers 400 to what is no authority, and lives on', async () => {
    const { place } = await start({ intercept: 'nothing.test' });
    const authorities = [
      ['a\0b:443', 'a\rb:443', 'a%00:443', 'u@a:443', 'a/b:443', 'a?b:443', 'a#b:443', '[example.com]:443', ':443'],
      [
        'a:0',
        'a:65536',
        'a:443x',
        'a:',
        'a',
        'a:-1',
        'a:443:443',
        '__proto__',
        '../../x:443',
        `${'x'.repeat(300)}:443`,
      ],
    ].flat();
    for (const authority of authorities) {
      assert.match(await exchangeRaw(place, connectTo(authority)), /^HTTP\/1\.1 400 /, JSON.stringify(authority));
    }
    assert.match(await exchangeRaw(place, 'CONNECT a b:443 HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 400 /);
    const alive = 'GET /ca.crt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match(await exchangeRaw(place, alive), /^HTTP\/1\.1 200 /);
  });

  it('A06: connects to no port but 443 unless told so', async () => {
    const bystander = await startBystander();
    const { place } = await start({ intercept: 'none', 'connect-ports': '443' });
    for (const port of [22, 25, 80, 2375, 6443, 11_211, bystander.port]) {
      const answer = await exchangeRaw(place, connectTo(`127.0.0.1:${port}`));
      assert.match(answer, /^HTTP\/1\.1 403 [^]*--connect-ports/, String(port));
    }
    assert.equal(bystander.accepted, 0);
    await bystander.close();
  });

  it('A10: holds plain requests to the same rules as CONNECT', async () => {
    const bystander = await startBystander();
    const { place } = await start({ intercept: 'none', 'connect-ports': '443', deny: 'denied.test' });
    assert.match(
      await exchangeRaw(place, plainTo(`127.0.0.1:${bystander.port}`)),
      /^HTTP\/1\.1 403 [^]*--connect-ports/,
    );
    assert.match(await exchangeRaw(place, plainTo('denied.test')), /^HTTP\/1\.1 403 [^]*--deny/);
    assert.match(await exchangeRaw(place, plainTo('169.254.169.254')), /^HTTP\/1\.1 403 /);
    assert.match(await exchangeRaw(place, plainTo('127.1')), /^HTTP\/1\.1 400 /);
    assert.equal(bystander.accepted, 0);
    await bystander.close();
  });

  it('A14: answers 508 to a request that has come round to it again, and opens no storm', async () => {
    // An upstream that sends whatever it gets back into the proxy, as a transparent gateway around it would.
    let proxied: TestProxy | undefined;
    const ring = await startRawUpstream((head, socket) => {
      const again = async () => {
        if (proxied === undefined) return;
        const inner = rawClient(
          await openTlsTunnel({ proxy: proxied.place, authority: ring.authority, ca: proxied.way.ca }),
        );
        inner.send(head.replace(/^connection:.*\r\n/gim, '').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
        socket.end(await inner.readAll());
      };
      again().catch(() => socket.destroy());
    });
    proxied = await start({}, [ring.asRegistry]);
    const before = ring.connections;
    const answer = await proxyGet({ ...proxied.way, authority: ring.authority, path: '/v2/a/tags/list' });
    assert.equal(answer.status, 508);
    assert.match(answer.body.toString(), /been through this proxy before/);
    assert.equal(ring.connections - before, 1);
    await ring.close();
  });

  it('B20: lets a client bring its own certificate to a host of --tunnel, which other rules still hold for', async () => {
    const clients = createTestAuthority('client CA');
    const { certificatePem, keyPem } = clients.issue(['client.test']);
    const upstream = await startRawUpstream(
      (_head, socket) => {
        const { subjectaltname } = socket.getPeerCertificate();
        const text = `you are ${subjectaltname}`;
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      },
      { requestCert: true, rejectUnauthorized: false, ca: clients.certificatePem },
    );
    const { place } = await start({ intercept: 'all', tunnel: '127.0.0.1' }, [upstream.asRegistry]);
    const raw = await connectRaw(place);
    raw.send(connectTo(upstream.authority));
    await raw.readUntil('\r\n\r\n');
    raw.socket.removeAllListeners('data');
    const options = { ca: upstream.asRegistry.ca, cert: certificatePem, key: keyPem };
    const secured = tls.connect({ socket: raw.socket, host: '127.0.0.1', ...options });
    await once(secured, 'secureConnect');
    const inside = rawClient(secured);
    inside.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(String(await inside.readAll()), /\r\n\r\nyou are DNS:client\.test$/);
    assert.match(await exchangeRaw(place, connectTo('127.0.0.1:22')), /^HTTP\/1\.1 403 [^]*--connect-ports/);
    raw.destroy();
    await upstream.close();
  });
});

describe('integration/door: requests', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  before(async () => {
    registry = await startFakeRegistry();
    proxy = await startProxy({ registries: [registry] });
  });
  beforeEach(() => registry.forget());
  after(async () => {
    await proxy.close();
    await registry.close();
  });

  /** Sends bytes inside a tunnel and gives all that comes back until the proxy closes. */
  const inside = async (...lines: string[]): Promise<string> => {
    const client = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    client.send(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
    return String(await client.readAll());
  };
  const host = () => `Host: ${registry.authority}`;

  for (const [id, why, status, request] of [
    ['A07', 'an inner Host of another server', 421, () => ['GET /v2/ HTTP/1.1', 'Host: evil.test']],
    ['A08', 'an absolute target of another server', 400, () => ['GET http://evil.test/ HTTP/1.1', host()]],
    ['A09', 'a nested CONNECT', 405, () => ['CONNECT evil.test:443 HTTP/1.1', host()]],
    ['A09', 'TRACE', 405, () => ['TRACE / HTTP/1.1', host()]],
    ['D01', 'two Hosts', 400, () => ['GET /v2/ HTTP/1.1', host(), host()]],
    ['D01', 'a Host with a user in it', 400, () => ['GET /v2/ HTTP/1.1', 'Host: u@127.0.0.1']],
    [
      'D02',
      'two Authorizations',
      400,
      () => ['GET /v2/ HTTP/1.1', host(), 'Authorization: Basic a', 'authorization: Basic b'],
    ],
    ['D03', '2,100 headers', 431, () => ['GET /v2/ HTTP/1.1', host(), ...Array.from({ length: 2_100 }, () => 'a:')]],
    [
      'D03',
      '101 headers',
      431,
      () => ['GET /v2/ HTTP/1.1', host(), ...Array.from({ length: 100 }, (_, i) => `x-${i}: y`)],
    ],
    ['D04', 'a GET with a body', 400, () => ['GET /v2/ HTTP/1.1', host(), 'Content-Length: 40']],
    ['D04', 'a HEAD with chunks', 400, () => ['HEAD /v2/ HTTP/1.1', host(), 'Transfer-Encoding: chunked']],
    [
      'D05',
      'two transfer encodings',
      400,
      () => ['POST /v2/ HTTP/1.1', host(), 'Transfer-Encoding: identity, chunked'],
    ],
    ['D05', 'a transfer encoding in HTTP/1.0', 400, () => ['POST /v2/ HTTP/1.0', host(), 'Transfer-Encoding: chunked']],
    [
      'D05',
      'a length beside chunks',
      400,
      () => ['POST /v2/ HTTP/1.1', host(), 'Content-Length: 3', 'Transfer-Encoding: chunked'],
    ],
    [
      'D08',
      'a Connection that names Authorization',
      400,
      () => ['GET /v2/ HTTP/1.1', host(), 'Connection: authorization'],
    ],
    [
      'D08',
      'a Connection that names Content-Length',
      400,
      () => ['GET /v2/ HTTP/1.1', host(), 'Connection: close, content-length'],
    ],
    ['D09', 'a URL of 20 KB', 431, () => [`GET /v2/${'a'.repeat(20_000)} HTTP/1.1`, host()]],
    ['D09', 'a header of 20 KB', 431, () => ['GET /v2/ HTTP/1.1', host(), `X: ${'a'.repeat(20_000)}`]],
    ['D13', 'an Expect of something else', 417, () => ['PUT /v2/ HTTP/1.1', host(), 'Expect: the-unexpected']],
    ['D20', 'the preface of HTTP/2', 400, () => ['PRI * HTTP/2.0', '', 'SM']],
  ] as const) {
    it(`${id}: answers ${status} to ${why}, and sends nothing upstream`, async () => {
      assert.match(await inside(...request()), new RegExp(`^HTTP/1\\.1 ${status} `));
      assert.equal(registry.requests.length, 0);
    });
  }

  it('D06: passes a WebSocket handshake on, and a wish for h2c as an ordinary request', async () => {
    const other = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    const upgrade = ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'];
    other.send(`${['GET /v2/ HTTP/1.1', host(), ...upgrade].join('\r\n')}\r\n\r\n`);
    assert.match(await other.readUntil('\r\n\r\n'), /^HTTP\/1\.1 200 /);
    other.destroy();
    const [plain] = registry.find();
    assert.equal(plain?.path, '/v2/');
    for (const name of ['upgrade', 'http2-settings']) assert.equal(headerValue(plain?.headers ?? [], name), undefined);
    const websocket = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: eA==',
      'Sec-WebSocket-Version: 13',
    ];
    const client = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    client.send(`${['GET /socket HTTP/1.1', host(), ...websocket].join('\r\n')}\r\n\r\n`);
    const passed = await registry.arrived({ path: /^\/socket$/ });
    assert.equal(headerValue(passed.headers, 'upgrade'), 'websocket');
    client.destroy();
  });

  for (const path of [
    '/v2/../admin',
    '/v2/%2e%2e/admin',
    '//v2/',
    '/v2/a%2Fb/manifests/latest',
    '/v2/a;b/blobs/sha256:0',
    '/v2/a\\b/tags/list',
    '/v2/./a/tags/list',
    '/v2/a/../b/manifests/x',
  ]) {
    it(`D07: passes ${path} on byte for byte, and stores nothing of it`, async () => {
      const answer = await inside(`GET ${path} HTTP/1.1`, host(), 'Connection: close');
      assert.deepEqual(
        registry.requests.map((request) => request.path),
        [path],
      );
      assert.match(answer, /cache-status: entrepot; fwd=bypass/i);
    });
  }

  it('D08: keeps to itself what belongs to the connection, and all that was meant for the proxy', async () => {
    const hop = [
      'Keep-Alive: 5',
      'TE: trailers',
      'Trailer: X',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic c2VjcmV0',
    ];
    await inside('GET /v2/ HTTP/1.1', host(), 'Connection: close, X-Mine', 'X-Mine: 1', 'X-Other: 2', ...hop);
    const [seen] = registry.find();
    assert.ok(seen);
    assert.equal(headerValue(seen.headers, 'x-other'), '2');
    for (const name of ['x-mine', 'keep-alive', 'te', 'trailer', 'proxy-connection', 'proxy-authorization']) {
      assert.deepEqual(headerValues(seen.headers, name), [], name);
    }
    assert.doesNotMatch(seen.headers.join('\n'), /c2VjcmV0/);
  });

  it('D12: answers 100 requests of one packet in their order, and the malformed one after them with 400', async () => {
    const paths = Array.from({ length: 100 }, (_, n) => `/v2/none/manifests/t${n}`);
    const lines = paths.map((path) => `GET ${path} HTTP/1.1\r\n${host()}\r\n\r\n`).join('');
    const client = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    client.send(`${lines}BAD\r\n\r\n`);
    const answer = String(await client.readAll());
    const tags = [...answer.matchAll(/manifest unknown: (t\d+)/g)].map(([, tag]) => tag);
    // The connection may be closed at the malformed one before all answers have left; those that came are in order.
    assert.deepEqual(
      tags,
      paths.slice(0, tags.length).map((path) => path.slice(path.lastIndexOf('/') + 1)),
    );
    const alone = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    alone.send(lines);
    const text = await alone.readUntil('manifest unknown: t99');
    const all = [...text.matchAll(/manifest unknown: (t\d+)/g)].map(([, tag]) => tag);
    assert.deepEqual(
      all,
      paths.map((path) => path.slice(path.lastIndexOf('/') + 1)),
    );
    alone.destroy();
  });

  it('D12: answers a malformed request behind a good one with 400, after the answer to the good one', async () => {
    const client = rawClient(await openTlsTunnel({ ...proxy.way, authority: registry.authority }));
    client.send(`GET /v2/ HTTP/1.1\r\n${host()}\r\n\r\n`);
    const first = await client.readUntil('\r\n\r\n');
    client.send('BAD\r\n\r\n');
    const rest = String(await client.readAll());
    assert.match(first, /^HTTP\/1\.1 200 /);
    assert.match(rest, /HTTP\/1\.1 400 /);
    assert.equal(registry.requests.length, 1);
  });

  it('D14: takes header names that are properties of objects for names', async () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype'];
    await inside('GET /v2/ HTTP/1.1', host(), 'Connection: close', ...names.map((name) => `${name}: polluted`));
    const [seen] = registry.find();
    for (const name of names) assert.equal(headerValue(seen?.headers ?? [], name), 'polluted');
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    assert.equal(Object.prototype.toString.call({}), '[object Object]');
  });
});

/** Two ports that are free, most likely still so in a moment. */
async function freePorts(): Promise<[number, number]> {
  const [one, two] = [await startBystander(), await startBystander()];
  await Promise.all([one.close(), two.close()]);
  return [one.port, two.port];
}
