import assert from 'node:assert/strict';
import net from 'node:net';
import type { CreateEngine } from '../../src/proxy/contract.js';
import { connectInside, connectRaw, connectThrough } from './raw-client.js';
import { later, startDoor, startUpstream, type TestDoor } from './test-door.js';

const get = (path: string, ...headers: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: registry.test\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;

/** What every engine has to do, whatever it is made of. */
export function engineContract(name: string, createEngine: CreateEngine): void {
  describe(`the engine contract, on ${name}`, () => {
    let door: TestDoor;
    const open = async (changes: Parameters<typeof startDoor>[0] = {}) => {
      door = await startDoor({ createEngine, ...changes });
      return door;
    };
    afterEach(() => door.close());

    it('A07: takes the identity of the upstream from the CONNECT, never from Host', async () => {
      const { port, ca, exchanges } = await open();
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send('GET /v2/ HTTP/1.1\r\nHost: evil.test\r\n\r\n');
      assert.match(await client.closed(), /^HTTP\/1\.1 421 /);
      assert.deepEqual(exchanges, []);
    });

    it('A08: refuses an absolute target inside a tunnel that names another server', async () => {
      const { port, ca, exchanges } = await open();
      for (const url of ['http://evil.test/', 'http://registry.test/', 'https://evil.test/']) {
        const client = await connectInside(port, 'registry.test:443', ca);
        client.send(get(url));
        assert.match(await client.closed(), /^HTTP\/1\.1 400 /, url);
      }
      assert.deepEqual(exchanges, []);
    });

    it('A09: answers 405 to TRACE and CONNECT inside a tunnel, 400 to OPTIONS *', async () => {
      const { port, ca, exchanges } = await open();
      for (const start of ['TRACE /', 'CONNECT evil.test:443']) {
        const client = await connectInside(port, 'registry.test:443', ca);
        client.send(`${start} HTTP/1.1\r\nHost: registry.test\r\n\r\n`);
        assert.match(await client.closed(), /^HTTP\/1\.1 405 /, start);
      }
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send('OPTIONS * HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      assert.match(await client.closed(), /^HTTP\/1\.1 400 /);
      assert.deepEqual(exchanges, []);
    });

    it('makes an exchange of a plain request in absolute form', async () => {
      const { port } = await open();
      const client = await connectRaw(port);
      client.send('GET http://registry.test/v2/?a=b HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      assert.match(await client.until(/ 0\n/), /\r\n\r\nGET http:\/\/registry\.test:80\/v2\/\?a=b 0\n$/);
      client.destroy();
    });

    it('D13: answers 100 at once and then reads the body', async () => {
      const { port, ca, exchanges } = await open();
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send('PUT /x HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
      assert.equal(await client.until(/\r\n\r\n/), 'HTTP/1.1 100 Continue\r\n\r\n');
      client.send('hello');
      assert.match(await client.until(/ 5\n/), /PUT https:\/\/registry\.test:443\/x 5\n$/);
      assert.deepEqual(exchanges[0]?.request.headers, ['Host', 'registry.test', 'Content-Length', '5']);
      client.destroy();
    });

    it('D13: answers 417 to any other expectation', async () => {
      const { port, ca, exchanges } = await open();
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send(get('/', 'Expect: the-unexpected'));
      assert.match(await client.closed(), /^HTTP\/1\.1 417 /);
      assert.deepEqual(exchanges, []);
    });

    it('D03, D09: answers 400 to what is not HTTP and 431 to a head that is too long', async () => {
      const { port, ca } = await open();
      for (const [bytes, status] of [
        ['\x01\x02\x03 nonsense\r\n\r\n', 400],
        ['GET / HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
        [get(`/${'a'.repeat(20_000)}`), 431],
        [get('/', `X: ${'a'.repeat(20_000)}`), 431],
        [get('/', ...Array.from({ length: 120 }, (_, i) => `X-${i}: y`)), 431],
        [get('/', ...Array.from({ length: 2_100 }, () => 'a:')), 431],
      ] as const) {
        const client = await connectInside(port, 'registry.test:443', ca);
        client.send(bytes);
        const answer = await client.closed();
        assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
        assert.match(answer, /\{"errors":\[\{"code":"UNSUPPORTED"/);
      }
    });

    it('D10: ends a request whose head does not come in time, inside a tunnel too', async () => {
      const { port, ca } = await open({ headersTimeoutMs: 40 });
      const inside = await connectInside(port, 'registry.test:443', ca);
      const outside = await connectRaw(port);
      for (const client of [inside, outside]) {
        client.send('GET /v2/ HTTP/1.1\r\nHos');
        assert.match(await client.closed(), /^HTTP\/1\.1 408 /);
      }
    });

    it('D10: closes a connection that rests for too long between requests', async () => {
      const { port, ca } = await open({ keepAliveTimeoutMs: 20 });
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send(get('/'));
      assert.match(await client.closed(), /^HTTP\/1\.1 200 /);
    });

    it('D06: hands upgrades over raw, and reads one to HTTP/2 as an ordinary request', async () => {
      const dialled: string[] = [];
      const mirror = await startUpstream((socket) => {
        socket.write('HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.pipe(socket);
      });
      const { port, ca, exchanges } = await open({
        dialUpstream: async (target) => {
          dialled.push(`${target.scheme}://${target.host}:${target.port}`);
          return net.connect({ host: '127.0.0.1', port: mirror.port });
        },
      });
      const client = await connectInside(port, 'registry.test:443', ca);
      const head = get('/socket', 'Connection: Upgrade', 'UPGRADE: websocket', 'Sec-WebSocket-Key: x', 'X: \xe9');
      client.send(Buffer.from(`${head}rest`, 'latin1'));
      assert.ok((await client.until(/rest$/)).endsWith(`\r\n\r\n${head}rest`));
      assert.deepEqual(dialled, ['https://registry.test:443']);
      client.destroy();
      await mirror.close();

      const other = await connectInside(port, 'registry.test:443', ca);
      other.send(get('/v2/', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AA'));
      assert.match(await other.until(/ 0\n/), /GET https:\/\/registry\.test:443\/v2\/ 0\n$/);
      other.send(get('/again'));
      assert.match(await other.until(/again 0\n/), /again 0\n$/);
      assert.equal(dialled.length, 1);
      assert.deepEqual(exchanges[0]?.request.headers, ['Host', 'registry.test']);
      other.destroy();
    });

    it('lets running exchanges end when it closes, and nothing else', async () => {
      const { promise: permitted, tell: finish } = later();
      const { port, ca, listener } = await open({
        handler: async ({ request, reply }) => {
          if (request.path === '/slow') await permitted;
          reply.head(200, ['Content-Length', '2']);
          await reply.write(Buffer.from('ok'));
          await reply.end();
        },
      });
      const resting = await connectInside(port, 'registry.test:443', ca);
      resting.send(get('/'));
      await resting.until(/ok$/);
      const silent = await connectRaw(port);
      const running = await connectInside(port, 'registry.test:443', ca);
      running.send(get('/slow'));
      while (door.exchanges.length < 2) await new Promise((resolve) => setImmediate(resolve));
      const closed = listener.close({ drainMs: 10_000 });
      await resting.closed();
      await silent.closed();
      await assert.rejects(connectRaw(port), { code: 'ECONNREFUSED' });
      finish();
      assert.match(await running.closed(), /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*ok$/);
      await closed;
    });

    it('leaves nothing open when its time is up', async () => {
      const { port, ca, listener, exchanges } = await open({ handler: () => new Promise(() => undefined) });
      const inside = await connectInside(port, 'registry.test:443', ca);
      const before = await connectThrough(port, 'registry.test:443');
      const plain = await connectRaw(port);
      inside.send(get('/'));
      plain.send('GET http://registry.test/ HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      while (exchanges.length < 2) await new Promise((resolve) => setImmediate(resolve));
      await listener.close({ drainMs: 0 });
      await Promise.all([inside.closed(), before.closed(), plain.closed()]);
      assert.ok(exchanges.every(({ signal }) => signal.aborted));
    });

    it('reports a port that is taken', async () => {
      const { port } = await open();
      await assert.rejects(startDoor({ createEngine, port }), { code: 'EADDRINUSE' });
    });

    it('tells its client that the connection broke where an answer is not whole', async () => {
      const { port, ca } = await open({
        handler: async ({ reply }) => {
          reply.head(200, []);
          await reply.write(Buffer.from('half'));
          throw new Error('upstream cut');
        },
      });
      const client = await connectInside(port, 'registry.test:443', ca);
      client.send(get('/'));
      await client.closed();
      assert.doesNotMatch(client.received, /\r\n0\r\n|upstream cut/);
    });
  });
}
