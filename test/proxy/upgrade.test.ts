import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import net from 'node:net';
import { ProxyError } from '../../src/errors.js';
import { headWithoutHttp2, isCleartextHttp2 } from '../../src/proxy/upgrade.js';
import { connectInside, connectRaw, type RawClient } from './raw-client.js';
import { startDoor, startUpstream, TEST_LIMITS, type TestDoor, type TestUpstream } from './test-door.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function message(...rawHeaders: string[]): IncomingMessage {
  return { method: 'GET', url: '/s?q', rawHeaders } as Partial<IncomingMessage> as IncomingMessage;
}

const HANDSHAKE = 'GET /s HTTP/1.1\r\nHost: registry.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

describe('proxy/upgrade', () => {
  it('knows an upgrade to HTTP/2 among others, and takes the wish out', () => {
    const request = message(
      'Host',
      'a',
      'Upgrade',
      'websocket, H2C',
      'Connection',
      'Upgrade',
      'HTTP2-Settings',
      'x',
      'Y',
      '1',
    );
    assert.equal(isCleartextHttp2(request), true);
    assert.equal(isCleartextHttp2(message('Upgrade', 'websocket')), false);
    assert.equal(headWithoutHttp2(request).toString('latin1'), 'GET /s?q HTTP/1.1\r\nHost: a\r\nY: 1\r\n\r\n');
  });

  describe('through the door', () => {
    const YES = 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX: \xe9\r\n\r\n';
    let door: TestDoor;
    let server: TestUpstream;
    let asked: string[];

    /** A server that gives `answer` to every head, and gives all that comes behind it back. */
    async function open(answer: string, changes: Parameters<typeof startDoor>[0] = {}): Promise<RawClient> {
      asked = [];
      server = await startUpstream((socket) => {
        socket.once('data', (head) => {
          asked.push(head.toString('latin1'));
          if (answer !== '') socket.write(answer, 'latin1');
          socket.pipe(socket);
        });
      });
      door = await startDoor({
        dialUpstream: async () => net.connect({ port: server.port, host: '127.0.0.1' }),
        ...changes,
      });
      return connectInside(door.port, 'registry.test:443', door.ca);
    }
    afterEach(async () => {
      await door.close();
      await server.close();
    });

    it('D06: joins client and server behind a 101, bytes unseen, until either leaves', async () => {
      const client = await open(YES);
      client.send(HANDSHAKE);
      assert.equal(await client.until(/\r\n\r\n/), YES);
      assert.deepEqual(asked, [HANDSHAKE]);
      assert.equal(door.listener.tunnels, 1);
      client.send('\x81\x05hello');
      await client.until(/hello$/);
      server.sockets.at(-1)?.destroy();
      await client.closed();
      client.destroy();
      while (door.told.length < 2) await turn();
      assert.match(door.told[1] ?? '', /^upgrade registry\.test:443 101 \d+\/\d+$/);
      assert.equal(door.listener.tunnels, 0);

      const other = await connectInside(door.port, 'registry.test:443', door.ca);
      other.send(HANDSHAKE);
      await other.until(/\r\n\r\n/);
      const gone = once(server.sockets.at(-1) as net.Socket, 'close');
      other.destroy();
      await gone;
    });

    it('D06: keeps what the client sent too early until the server has agreed', async () => {
      const client = await open(YES);
      client.send(`${HANDSHAKE}early`);
      assert.match(await client.until(/early$/), /\r\n\r\nearly$/);
      assert.deepEqual(asked, [HANDSHAKE]);
    });

    it('D06: sends the head as the client wrote it, but for what is meant for the proxy', async () => {
      const client = await open(YES);
      const lines = [
        'GET /s?q HTTP/1.1',
        'hOST: registry.test',
        'Connection: Upgrade',
        'UPGRADE: websocket',
        'X: \xe9',
      ];
      const forProxy = 'Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive';
      client.send(Buffer.from(`${lines.join('\r\n')}\r\n${forProxy}\r\nx: 2\r\n\r\n`, 'latin1'));
      await client.until(/\r\n\r\n/);
      assert.deepEqual(asked, [`${lines.join('\r\n')}\r\nx: 2\r\n\r\n`]);
    });

    it('D06: gives a refusal to the client as an ordinary answer, and passes nothing on behind it', async () => {
      const refusal = 'HTTP/1.1 403 No\r\nContent-Length: 3\r\nKeep-Alive: timeout=5\r\nX: 1\r\n\r\nno!';
      const client = await open(refusal);
      client.send(`${HANDSHAKE}GET /v2/private/blobs/sha256:0 HTTP/1.1\r\n\r\n`);
      const answer = await client.closed();
      assert.match(answer, /^HTTP\/1\.1 403 No\r\nContent-Length: 3\r\nX: 1\r\nConnection: close\r\n[^]*\r\n\r\nno!$/);
      assert.deepEqual(asked, [HANDSHAKE]);
      while (door.told.length < 2) await turn();
      assert.match(door.told[1] ?? '', /^upgrade registry\.test:443 403 /);
      assert.equal(door.listener.tunnels, 0);
    });

    it('D06: gives a long refusal whole, and one that breaks off never as if it were whole', async () => {
      const body = 'x'.repeat(2_000_000);
      const client = await open(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      client.send(HANDSHAKE);
      const whole = await client.closed();
      assert.equal(whole.length - whole.indexOf('\r\n\r\n') - 4, body.length);
      await door.close();
      await server.close();
      const cut = await open('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
      cut.send(HANDSHAKE);
      await cut.until(/hello/);
      server.sockets.at(-1)?.destroy();
      assert.doesNotMatch(await cut.closed(), /0\r\n\r\n$/);
    });

    for (const answer of ['SSH-2.0\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx']) {
      it(`D06: answers 502 to what is no answer: ${answer.slice(0, 12)}`, async () => {
        const client = await open(answer);
        client.send(HANDSHAKE);
        assert.match(await client.closed(), /^HTTP\/1\.1 502 [^]*no answer to the upgrade/);
      });
    }

    it('D06: answers 504 to a server that does not answer in time', async () => {
      const client = await open('', { upgradeAnswerTimeoutMs: 20 });
      client.send(HANDSHAKE);
      assert.match(await client.closed(), /^HTTP\/1\.1 504 [^]*did not answer the upgrade/);
    });

    it('D06: lets go of the server when the client leaves before the answer', async () => {
      const client = await open('');
      client.send(HANDSHAKE);
      while (asked.length === 0) await turn();
      const gone = once(server.sockets.at(-1) as net.Socket, 'close');
      client.destroy();
      await gone;
    });

    it('D06: closes what nothing passes through', async () => {
      const client = await open(YES, { tunnelIdleTimeoutMs: 20 });
      client.send(HANDSHAKE);
      await client.closed();
      while (door.told.length < 2) await turn();
      assert.equal(door.listener.tunnels, 0);
    });

    it('D06 and D11: needs a place as every request does, for as long as it is open', async () => {
      const limits = { ...TEST_LIMITS, exchanges: { perClient: 1, total: 1 } };
      const first = await open(YES, { limits });
      first.send(HANDSHAKE);
      await first.until(/\r\n\r\n/);
      const second = await connectInside(door.port, 'registry.test:443', door.ca);
      second.send(HANDSHAKE);
      assert.match(await second.closed(), /^HTTP\/1\.1 503 [^]*Retry-After/);
      first.destroy();
      while (door.listener.tunnels > 0) await turn();
      const third = await connectInside(door.port, 'registry.test:443', door.ca);
      third.send(HANDSHAKE);
      assert.match(await third.until(/\r\n\r\n/), /^HTTP\/1\.1 101 /);
    });

    it('D06: takes no body, which nobody would look at', async () => {
      const client = await open(YES);
      client.send(HANDSHAKE.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello'));
      assert.match(await client.closed(), /^HTTP\/1\.1 400 [^]*has no body/);
      assert.deepEqual(asked, []);
    });

    it('answers 502 where the server cannot be reached', async () => {
      const client = await open(YES, {
        dialUpstream: async () => {
          throw new ProxyError('upstream-connect', 'registry.test:443 cannot be reached: the connection was refused.');
        },
      });
      client.send(HANDSHAKE);
      assert.match(await client.closed(), /^HTTP\/1\.1 502 [^]*cannot be reached/);
    });

    it('is a plain request on the proxy port, where nothing can be upgraded', async () => {
      await open(YES);
      const client = await connectRaw(door.port);
      client.send(HANDSHAKE.replace('/s', 'http://registry.test/s'));
      assert.match(await client.until(/ 0\n/), /GET http:\/\/registry\.test:80\/s 0\n$/);
      client.destroy();
    });
  });
});
