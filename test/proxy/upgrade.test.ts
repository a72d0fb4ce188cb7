import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { ProxyError } from '../../src/errors.js';
import { headWithoutHttp2, isCleartextHttp2, upgradeHead } from '../../src/proxy/upgrade.js';
import { connectInside } from './raw-client.js';
import { startDoor, type TestDoor } from './test-door.js';

function message(...rawHeaders: string[]): IncomingMessage {
  return { method: 'GET', url: '/s?q', rawHeaders } as Partial<IncomingMessage> as IncomingMessage;
}

const HANDSHAKE = 'GET /s HTTP/1.1\r\nHost: registry.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

describe('proxy/upgrade', () => {
  it('writes a head as the client wrote it, but for what is meant for the proxy', () => {
    const request = message('hOST', 'a', 'Connection', 'Upgrade', 'Proxy-Authorization', 'x', 'X', '\xe9', 'x', '2');
    assert.equal(
      upgradeHead(request, '/p').toString('latin1'),
      'GET /p HTTP/1.1\r\nhOST: a\r\nConnection: Upgrade\r\nX: \xe9\r\nx: 2\r\n\r\n',
    );
  });

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
    let door: TestDoor;
    let server: net.Server;
    const accepted: net.Socket[] = [];
    before(async () => {
      server = net.createServer((socket) => {
        accepted.push(socket);
        socket.on('error', () => undefined);
        socket.once('data', (head) => {
          socket.write(`HTTP/1.1 101 Switching Protocols\r\n\r\n[${String(head).split('\r\n', 1)[0]}]`);
          socket.pipe(socket);
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    });
    after(() => server.close());
    afterEach(() => door.close());
    const dialServer = async () => net.connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });

    it('joins client and server, bytes unseen, until either leaves', async () => {
      door = await startDoor({ dialUpstream: dialServer });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send(HANDSHAKE);
      assert.match(await client.until(/\]$/), /^HTTP\/1\.1 101 Switching Protocols\r\n\r\n\[GET \/s HTTP\/1\.1\]$/);
      client.send('\x81\x05hello');
      await client.until(/hello$/);
      accepted.at(-1)?.destroy();
      await client.closed();

      const other = await connectInside(door.port, 'registry.test:443', door.ca);
      other.send(HANDSHAKE);
      await other.until(/\]$/);
      const gone = once(accepted.at(-1) as net.Socket, 'close');
      other.destroy();
      await gone;
    });

    it('answers 502 where the server cannot be reached', async () => {
      door = await startDoor({
        dialUpstream: async () => {
          throw new ProxyError('upstream-connect', 'registry.test:443 cannot be reached: the connection was refused.');
        },
      });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send(HANDSHAKE);
      assert.match(await client.closed(), /^HTTP\/1\.1 502 [^]*cannot be reached/);
    });

    it('is a plain request on the proxy port, where nothing can be upgraded', async () => {
      door = await startDoor();
      const { connectRaw } = await import('./raw-client.js');
      const client = await connectRaw(door.port);
      client.send(HANDSHAKE.replace('/s', 'http://registry.test/s'));
      assert.match(await client.until(/ 0\n/), /GET http:\/\/registry\.test:80\/s 0\n$/);
      client.destroy();
    });
  });
});
