import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { connectInside, connectRaw, connectThrough } from './raw-client.js';
import { startDoor, startUpstream, TEST_LIMITS, type TestDoor } from './test-door.js';

function tunnelPolicy(port: number, more: { deny?: string[] } = {}) {
  return createHostPolicy({ intercept: ['none'], tunnel: [], deny: more.deny ?? [], connectPorts: [port] });
}

describe('proxy/listener', () => {
  let door: TestDoor | undefined;
  const open = async (changes: Parameters<typeof startDoor>[0] = {}) => {
    door = await startDoor(changes);
    return door;
  };
  afterEach(async () => {
    await door?.close();
    door = undefined;
  });

  it('opens a tunnel with the certificate of its host and makes an exchange of the request inside', async () => {
    const { port, ca, told } = await open();
    const client = await connectInside(port, 'registry.test:443', ca);
    client.send('GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n');
    const answer = await client.until(/443\/v2\/ 0\n/);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(answer, /GET https:\/\/registry\.test:443\/v2\/ 0\n$/);
    assert.deepEqual(told, ['opened registry.test:443 all']);
    client.destroy();
  });

  it('D12: answers several requests on one connection, pipelined ones in order', async () => {
    const { port, ca } = await open();
    const client = await connectInside(port, 'registry.test:443', ca);
    for (const n of [1, 2, 3]) client.send(`GET /${n} HTTP/1.1\r\nHost: registry.test\r\n\r\n`);
    const answer = await client.until(/\/3 0\n/);
    assert.deepEqual(
      [...answer.matchAll(/443\/(\d) 0\n/g)].map((match) => match[1]),
      ['1', '2', '3'],
    );
    client.destroy();
  });

  it('D11, D12: ends every pipelined answer whose client has left, and gives its place back', async () => {
    const waiting = new Set<object>();
    const { port, ca, exchanges } = await open({
      limits: { ...TEST_LIMITS, exchanges: { perClient: 4, total: 4 } },
      handler: async ({ request, reply, signal }) => {
        if (request.path === '/ok') {
          reply.head(204, []);
          return reply.end();
        }
        waiting.add(request);
        try {
          if (request.path === '/hang') await new Promise((resolve) => signal.addEventListener('abort', resolve));
          reply.head(200, ['Content-Length', '3']);
          await reply.write(Buffer.from('abc'));
          await reply.end();
        } catch {
          reply.destroy();
        } finally {
          waiting.delete(request);
        }
      },
    });
    for (let round = 1; round <= 4; round += 1) {
      const client = await connectInside(port, 'registry.test:443', ca);
      for (const path of ['/hang', '/second']) client.send(`GET ${path} HTTP/1.1\r\nHost: registry.test\r\n\r\n`);
      while (exchanges.length < 2 * round) await turn();
      client.destroy();
      while (waiting.size > 0) await turn();
    }
    const client = await connectInside(port, 'registry.test:443', ca);
    client.send('GET /ok HTTP/1.1\r\nHost: registry.test\r\n\r\n');
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 204 /);
    client.destroy();
  });

  for (const [what, head] of [
    ['CONNECT', 'CONNECT x.test:443 HTTP/1.1\r\nHost: x.test:443\r\n\r\n'],
    ['an upgrade', 'GET /2 HTTP/1.1\r\nHost: registry.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['HTTP/2', 'GET /2 HTTP/1.1\r\nHost: registry.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n'],
  ] as const) {
    it(`D11: writes nothing into an answer that is not over when ${what} comes behind it`, async () => {
      const { port, ca } = await open({
        handler: async ({ reply, signal }) => {
          reply.head(200, ['Content-Length', '110']);
          await reply.write(Buffer.alloc(10, 'a'));
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
        },
      });
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send('GET /1 HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      await client.until(/a{10}/);
      client.send(head);
      const received = await client.closed();
      assert.match(received, /\r\n\r\na{10}$/);
    });
  }

  for (const nonsense of [
    'constructor',
    '..',
    '[::1',
    'registry.test:0',
    'registry.test:443x',
    'x'.repeat(2048),
    '__proto__',
    '1:443',
    '../../x:443',
    'registry.test\0:443',
    'user@registry.test:443',
    '127.1:443',
  ]) {
    it(`A04, B01, B02: answers 400 to CONNECT ${JSON.stringify(nonsense.slice(0, 40))} and lives on`, async () => {
      const { port, ca } = await open();
      const bad = await connectRaw(port);
      bad.send(`CONNECT ${nonsense} HTTP/1.1\r\nHost: x\r\n\r\n`);
      assert.match(await bad.closed(), /^HTTP\/1\.1 400 /);
      const good = await connectInside(port, 'registry.test:443', ca);
      good.send('GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      assert.match(await good.until(/ 0\n/), /^HTTP\/1\.1 200 /);
      good.destroy();
    });
  }

  it('passes a tunnel through unopened, with the bytes that came with the CONNECT', async () => {
    const upstream = await startUpstream((socket) => socket.pipe(socket));
    const { port, told, listener } = await open({ policy: tunnelPolicy(upstream.port) });
    const client = await connectThrough(port, `plain.test:${upstream.port}`, 'early ');
    client.send('late');
    assert.match(await client.until(/early late/), /\r\n\r\nearly late$/);
    assert.equal(listener.tunnels, 1);
    client.socket.end();
    await client.closed();
    await upstream.close();
    assert.deepEqual(told.slice(0, 1), [`tunnel plain.test:${upstream.port}`]);
  });

  it('A13: answers 403 to a client from elsewhere, whatever address it claims, and names the range to add', async () => {
    const { port } = await open({ allowClients: parseRanges(['10.0.0.0/8']) });
    for (const request of ['CONNECT registry.test:443', 'GET http://registry.test/', 'GET /ca.crt']) {
      const client = await connectRaw(port);
      const claims = 'X-Forwarded-For: 10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\n';
      client.send(`${request} HTTP/1.1\r\nHost: registry.test\r\n${claims}\r\n`);
      const answer = await client.closed();
      assert.match(answer, /^HTTP\/1\.1 403 /, request);
      assert.match(answer, /--allow-clients 127\.0\.0\.1\/32/, request);
    }
  });

  it('A11: closes a connection that speaks no TLS after its CONNECT, and hands on nothing of it', async () => {
    const { port, told, exchanges } = await open();
    for (const words of [
      'SSH-2.0-OpenSSH_9.2\r\n',
      'EHLO mail.test\r\n',
      'GET / HTTP/1.1\r\nHost: registry.test\r\n\r\n',
    ]) {
      const client = await connectThrough(port, 'registry.test:443');
      client.send(words);
      const answer = await client.closed();
      assert.doesNotMatch(answer.slice(answer.indexOf('\r\n\r\n') + 4), /HTTP/);
    }
    assert.deepEqual(told, [
      'opened registry.test:443 all',
      ...Array.from({ length: 3 }, () => 'tls registry.test not-tls'),
    ]);
    assert.deepEqual(exchanges, []);
  });
});
