import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { BlobConnection } from '../../src/upstream/blob-connection.js';
import { loopbackGuard, testTrust } from './loopback.js';

describe('upstream/blob-connection', () => {
  let server: net.Server;
  let peer: Promise<net.Socket>;
  let connection: BlobConnection;

  beforeEach(async () => {
    server = net.createServer((socket) => socket.on('error', () => {}).resume());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    peer = once(server, 'connection').then(([socket]) => socket as net.Socket);
    const target = { scheme: 'http', host: '127.0.0.1', port: (server.address() as net.AddressInfo).port } as const;
    const options = { guard: loopbackGuard(), trust: testTrust(), timeoutMs: 5000 };
    connection = await BlobConnection.open(target, options, { headMs: 5000, idleMs: 5000 });
  });
  afterEach(async () => {
    connection.destroy();
    (await peer).destroy();
    server.close();
    await once(server, 'close');
  });

  async function answer(text: string) {
    const head = connection.request('/', []);
    (await peer).write(text);
    return head;
  }

  async function body(): Promise<string> {
    let text = '';
    await connection.pump((bytes) => {
      text += Buffer.from(bytes).toString('latin1');
    });
    return text;
  }

  it('is free before a request and after a whole answer, and not in between', async () => {
    assert.equal(connection.isIdle, true);
    for (const text of ['one', 'two!']) {
      assert.equal((await answer(`HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`)).status, 200);
      assert.equal(connection.isIdle, false);
      assert.equal(await body(), text);
      assert.equal(connection.isIdle, true);
    }
  });

  it('takes one request at a time, and reads a body once', async () => {
    await answer('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
    await assert.rejects(connection.request('/', []), { code: 'internal' });
    await body();
    await assert.rejects(body(), { code: 'internal' });
  });

  for (const text of [
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx',
    'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n',
  ]) {
    it(`serves no second request after ${JSON.stringify(text)}`, async () => {
      await answer(text);
      assert.equal(await body(), 'x');
      assert.equal(connection.isIdle, false);
      await assert.rejects(connection.request('/', []), { source: 'upstream' });
    });
  }

  it('lets who waits for a head or a body know that it was given up, and everybody after', async () => {
    const head = connection.request('/', []);
    connection.destroy();
    await assert.rejects(head, { code: 'upstream-truncated' });
    await assert.rejects(connection.request('/', []), { code: 'upstream-truncated' });
    await assert.rejects(body(), { code: 'upstream-truncated' });
  });

  it('breaks the body where its sink fails', async () => {
    await answer('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx');
    const failed = connection.pump(() => {
      throw new Error('the sink is full');
    });
    await assert.rejects(failed, /the sink is full/);
    assert.equal(connection.isIdle, false);
  });
});
