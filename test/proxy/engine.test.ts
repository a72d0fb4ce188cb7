import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import net, { type AddressInfo } from 'node:net';
import { createEngine } from '../../src/proxy/engine.js';
import { createPlainEngine } from '../support/plain-engine.js';
import { engineContract } from './engine-contract.js';
import { connectInside, connectRaw, connectThrough, type RawClient } from './raw-client.js';
import { startDoor, type TestDoor } from './test-door.js';

const request = 'GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n';

/** How many of a kind of handle this process holds open. */
function handles(kind: string): number {
  return process.getActiveResourcesInfo().filter((name) => name === kind).length;
}

/** Runs something and gives the servers that began to listen meanwhile. */
async function serversStartedBy(run: () => Promise<void>): Promise<net.Server[]> {
  const servers: net.Server[] = [];
  // oxlint-disable-next-line typescript/unbound-method -- put back below, and applied to its server in between
  const listen = net.Server.prototype.listen;
  net.Server.prototype.listen = function record(this: net.Server, ...args: unknown[]) {
    servers.push(this);
    return Reflect.apply(listen, this, args) as net.Server;
  };
  try {
    await run();
  } finally {
    net.Server.prototype.listen = listen;
  }
  return servers;
}

describe('proxy/engine', () => {
  engineContract('http-mitm-proxy', createEngine);
  engineContract('node:http', createPlainEngine);

  // One test for each row of the table of what http-mitm-proxy 1.1.0 does by itself.
  describe('the seals on http-mitm-proxy', () => {
    let door: TestDoor;
    afterEach(() => door.close());

    it('row 1: names that are properties of objects, or junk, do not end the process', async () => {
      door = await startDoor();
      for (const authority of ['constructor:443', '__proto__:443', 'prototype:443', 'toString:443']) {
        const client = await connectInside(door.port, authority, door.ca);
        client.destroy();
      }
      for (const authority of ['1:443', '999.999.1.1:443']) {
        const client = await connectRaw(door.port);
        client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
        assert.match(await client.closed(), /^HTTP\/1\.1 400 /);
      }
    });

    it('row 2: it writes no file, whatever the host is called', async () => {
      const before = await fs.readdir(process.cwd());
      door = await startDoor();
      for (const authority of ['ca:443', 'ca.private:443', 'registry.test:443']) {
        const client = await connectInside(door.port, authority, door.ca);
        client.destroy();
      }
      const escaping = await connectRaw(door.port);
      escaping.send('CONNECT ../../x:443 HTTP/1.1\r\nHost: x\r\n\r\n');
      assert.match(await escaping.closed(), /^HTTP\/1\.1 400 /);
      assert.deepEqual(await fs.readdir(process.cwd()), before);
    });

    it('row 3: a new host costs no listening socket', async () => {
      door = await startDoor();
      const before = handles('TCPServerWrap');
      for (const host of ['a.test', 'b.test', '1.2.3.4']) {
        const client = await connectInside(door.port, `${host}:443`, door.ca);
        client.destroy();
      }
      assert.equal(handles('TCPServerWrap'), before);
    });

    it('row 4: certificates are those of our own CA', async () => {
      door = await startDoor();
      const client = await connectInside(door.port, '[2001:db8::1]:443', door.ca);
      client.destroy();
    });

    it('row 5: what is inside a tunnel crosses no further socket', async () => {
      door = await startDoor();
      const before = handles('TCPSocketWrap');
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send(request);
      await client.until(/ 0\n/);
      assert.equal(handles('TCPSocketWrap') - before, 2, 'the client end and the proxy end');
      client.destroy();
    });

    it('row 6: a long upload is not limited in time, only a pause within it', async () => {
      door = await startDoor({ headersTimeoutMs: 20, bodyIdleTimeoutMs: 60_000 });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send('PUT /x HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 2\r\n\r\n1');
      // A second request whose head is late shows that the time limit has struck meanwhile.
      const late = await connectInside(door.port, 'registry.test:443', door.ca);
      late.send('GET / HT');
      assert.match(await late.closed(), /^HTTP\/1\.1 408 /);
      client.send('2');
      assert.match(await client.until(/ 2\n/), /^HTTP\/1\.1 200 /);
      client.destroy();
    });

    it('row 7: the inner server listens on loopback and drops whoever connects there', async () => {
      const servers = await serversStartedBy(async () => {
        door = await startDoor();
      });
      const inner = servers.map((server) => server.address() as AddressInfo).filter(({ port }) => port !== door.port);
      assert.equal(inner.length, 1);
      assert.equal(inner[0]?.address, '127.0.0.1');
      const stranger = await connectRaw(inner[0]?.port ?? 0);
      stranger.send(request);
      assert.equal(await stranger.closed(), '');
      assert.deepEqual(door.exchanges, []);
    });

    it('row 8: the upstream is that of the CONNECT for upgrades too', async () => {
      door = await startDoor({ dialUpstream: () => assert.fail('dialled') });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send('GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      assert.match(await client.closed(), /^HTTP\/1\.1 421 /);
    });

    it('row 9: a client that does not read is sent little more than the kernel holds', async () => {
      const piece = Buffer.alloc(256 * 1024, 'x');
      const pieces = 256;
      door = await startDoor({
        handler: async ({ reply }) => {
          reply.head(200, ['Content-Length', String(piece.length * pieces)]);
          for (let i = 0; i < pieces; i += 1) await reply.write(piece);
          await reply.end();
        },
      });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.socket.pause();
      client.send(request);
      const sent = await settledValue(() => door.exchanges[0]?.reply.sentBytes ?? 0);
      assert.ok(sent > 0 && sent < 24 * 1024 * 1024, `${sent} of ${piece.length * pieces} bytes`);
      client.socket.removeAllListeners('data');
      let got = 0;
      client.socket.on('data', (bytes: Buffer) => {
        got += bytes.length;
        if (got > piece.length * pieces) client.destroy();
      });
      client.socket.resume();
      await once(client.socket, 'close');
      assert.equal(door.exchanges[0]?.reply.sentBytes, piece.length * pieces);
    });

    it('row 10: an answer that breaks off is not ended, and no error text follows it', async () => {
      door = await startDoor({
        handler: async ({ reply }) => {
          reply.head(200, ['Content-Length', '100']);
          await reply.write(Buffer.from('half'));
          throw new Error('upstream cut');
        },
      });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send(request);
      assert.match(await client.closed(), /\r\n\r\nhalf$/);
    });

    it('row 11: it writes nothing to the console', async () => {
      const said: unknown[] = [];
      const { log, info, debug, warn, error } = console;
      const record = (...words: unknown[]) => void said.push(words);
      Object.assign(console, { log: record, info: record, debug: record, warn: record, error: record });
      try {
        door = await startDoor({ handler: () => Promise.reject(new Error('handler')) });
        const clients: RawClient[] = [
          await connectInside(door.port, 'registry.test:443', door.ca),
          await connectThrough(door.port, 'registry.test:443'),
          await connectRaw(door.port),
        ];
        for (const client of clients) client.send(`${request}\x01`);
        await Promise.all(clients.map((client) => client.closed()));
        const reset = await connectInside(door.port, 'registry.test:443', door.ca);
        reset.send('PUT / HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 9\r\n\r\n1');
        reset.destroy();
        await door.close();
      } finally {
        Object.assign(console, { log, info, debug, warn, error });
      }
      assert.deepEqual(said, []);
      door = await startDoor();
    });
  });
});

/** Waits until a growing number has not grown for many turns of the event loop. */
async function settledValue(read: () => number): Promise<number> {
  let value = read();
  for (let same = 0; same < 3000; same += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (read() === value && value > 0) continue;
    value = read();
    same = 0;
  }
  return value;
}
