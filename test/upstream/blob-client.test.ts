import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import { ProxyError } from '../../src/errors.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard } from '../../src/net/egress-guard.js';
import { createBlobClient } from '../../src/upstream/blob-client.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from '../../src/upstream/contract.js';
import { seededBytes } from '../support/registry-content.js';
import { createTestAuthority } from '../support/test-certificates.js';
import { testTrust } from './loopback.js';

const guard = createEgressGuard({ allow: parseRanges(['127.0.0.0/8']), deny: parseRanges([]), ownListeners: () => [] });
const authority = createTestAuthority();
const TIMEOUTS = { connectMs: 5000, headMs: 5000, idleMs: 5000 };

/** A server that is handed each request's head and the connection it came on. */
interface Wire {
  readonly port: number;
  readonly requests: readonly string[];
  readonly connections: number;
}

type OnRequest = (socket: net.Socket, head: string, count: number) => void;

async function pumped(response: UpstreamResponse): Promise<Buffer> {
  assert.ok(response.pump);
  const pieces: Buffer[] = [];
  await response.pump((bytes) => {
    pieces.push(Buffer.from(bytes));
  });
  return Buffer.concat(pieces);
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ProxyError && error.code === code;
}

for (const scheme of ['http', 'https'] as const) {
  describe(`upstream/blob-client over ${scheme}`, () => {
    let client: UpstreamClient;
    let close: () => Promise<void>;

    async function serve(onRequest: OnRequest): Promise<Wire> {
      const sockets = new Set<net.Socket>();
      const requests: string[] = [];
      const wire = { port: 0, requests, connections: 0 };
      const onSocket = (socket: net.Socket): void => {
        sockets.add(socket);
        wire.connections += 1;
        let text = '';
        socket.on('error', () => {});
        socket.on('data', (bytes) => {
          text += bytes.toString('latin1');
          for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
            requests.push(text.slice(0, end));
            text = text.slice(end + 4);
            onRequest(socket, requests.at(-1) as string, requests.length);
          }
        });
      };
      const { certificatePem: cert, keyPem: key } = authority.issue(['127.0.0.1']);
      const server = scheme === 'https' ? tls.createServer({ cert, key }, onSocket) : net.createServer(onSocket);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      wire.port = (server.address() as net.AddressInfo).port;
      close = async () => {
        for (const socket of sockets) socket.destroy();
        server.close();
        await once(server, 'close');
      };
      return wire;
    }

    function get(wire: Wire, path = '/blob', extra: Partial<UpstreamRequest> = {}): UpstreamRequest {
      return {
        target: { scheme, host: '127.0.0.1', port: wire.port },
        method: 'GET',
        path,
        headers: ['Accept', '*/*'],
        ...extra,
      };
    }

    beforeEach(() => {
      client = createBlobClient({ guard, trust: testTrust(authority.certificatePem) }, TIMEOUTS);
    });
    afterEach(async () => {
      await client.close();
      await close();
    });

    it('sends the request as given and gives the body byte for byte', async () => {
      const body = seededBytes(3_000_000, scheme);
      const wire = await serve((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nX-A: b\r\n\r\n`);
        socket.write(body);
      });
      const response = await client.send(get(wire, '/v2/x/blobs/y?z=1'));
      assert.equal(response.status, 200);
      assert.deepEqual(response.headers, ['Content-Length', '3000000', 'X-A', 'b']);
      assert.ok((await pumped(response)).equals(body));
      assert.deepEqual(wire.requests, [
        `GET /v2/x/blobs/y?z=1 HTTP/1.1\r\nAccept: */*\r\nHost: 127.0.0.1:${wire.port}`,
      ]);
    });

    it('uses a connection again after a body was taken whole', async () => {
      const wire = await serve((socket, _head, count) =>
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${count}!`),
      );
      assert.equal((await pumped(await client.send(get(wire)))).toString(), '1!');
      assert.equal((await pumped(await client.send(get(wire)))).toString(), '2!');
      assert.equal(wire.connections, 1);
    });

    it('leaves a connection alone that serves the next request, when the last answer is discarded late', async () => {
      let release: () => void = () => {};
      const wire = await serve((socket, _head, count) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
        socket.write(Buffer.alloc(count === 1 ? 100_000 : 50_000));
        if (count === 2) release = () => socket.write(Buffer.alloc(50_000));
      });
      const first = await client.send(get(wire));
      let size = 0;
      for await (const piece of first.body as AsyncIterable<Buffer>) size += piece.length;
      assert.equal(size, 100_000);
      const second = await client.send(get(wire));
      first.discard();
      first.body.destroy();
      release();
      assert.equal((await pumped(second)).length, 100_000);
      assert.equal(wire.connections, 1);
    });

    it('takes bodies in chunks, bodies that end with the connection, and a body that came with its head', async () => {
      const wire = await serve((socket, head) => {
        if (head.includes('/chunked'))
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n');
        else socket.end('HTTP/1.1 200 OK\r\n\r\nto the end');
      });
      assert.equal((await pumped(await client.send(get(wire, '/chunked')))).toString(), 'hello');
      assert.equal((await pumped(await client.send(get(wire, '/close')))).toString(), 'to the end');
    });

    it('gives an empty body', async () => {
      const wire = await serve((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'));
      assert.equal((await pumped(await client.send(get(wire)))).length, 0);
    });

    it('reads over interim answers', async () => {
      const wire = await serve((socket) =>
        socket.write('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx'),
      );
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
    });

    it('waits while the sink waits, and loses nothing', async () => {
      const body = seededBytes(2_000_000, 'paused');
      const wire = await serve((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      const pieces: Buffer[] = [];
      let waiting = false;
      const response = await client.send(get(wire));
      await response.pump?.(async (bytes) => {
        assert.equal(waiting, false, 'the sink was called while it was waiting');
        waiting = true;
        pieces.push(Buffer.from(bytes));
        await new Promise((resolve) => setImmediate(resolve));
        waiting = false;
      });
      assert.ok(Buffer.concat(pieces).equals(body));
    });

    it('gives the body as a stream to whoever wants one', async () => {
      const body = seededBytes(500_000, 'stream');
      const wire = await serve((socket) => {
        socket.write(`HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\n\r\n`);
        socket.write(body);
      });
      const response = await client.send(get(wire));
      assert.equal(response.status, 404);
      assert.ok(Buffer.concat(await response.body.toArray()).equals(body));
      assert.ok(Buffer.concat(await (await client.send(get(wire))).body.toArray()).equals(body));
      assert.equal(wire.connections, 1);
    });

    it('rejects where the body breaks off, under a length and in chunks', async () => {
      const wire = await serve((socket, head) => {
        if (head.includes('/chunked')) socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel');
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel');
      });
      await assert.rejects(pumped(await client.send(get(wire))), hasCode('upstream-truncated'));
      await assert.rejects(pumped(await client.send(get(wire, '/chunked'))), hasCode('upstream-truncated'));
    });

    it('H02: never uses a connection again on which more came than was announced', async () => {
      const wire = await serve((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx-and-more'));
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
      assert.equal(wire.connections, 2);
    });

    it('H04: gives a body up that only drips, and none that waits for its reader', async () => {
      const timers = new Set<NodeJS.Timeout>();
      const wire = await serve((socket, head) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n');
        if (head.includes('/whole')) socket.write(Buffer.alloc(1_000_000));
        else timers.add(setInterval(() => socket.write('.'), 5));
      });
      const { certificatePem } = authority;
      const strict = createBlobClient(
        { guard, trust: testTrust(certificatePem) },
        { ...TIMEOUTS, minBytesPerSecond: 10_000, rateWindowMs: 100 },
      );
      await assert.rejects(
        async () => pumped(await strict.send(get(wire))),
        (error) => hasCode('upstream-timeout')(error) && /fewer than 10000 bytes/.test(String(error)),
      );
      const response = await strict.send(get(wire, '/whole'));
      let pieces = 0;
      // The reader takes four windows for its first piece, and no time for the others.
      await response.pump?.((): void | Promise<void> => {
        pieces += 1;
        if (pieces === 1) return new Promise((resolve) => setTimeout(resolve, 400));
        return undefined;
      });
      assert.ok(pieces > 1);
      await strict.close();
      for (const timer of timers) clearInterval(timer);
    });

    it('closes a connection whose unwanted body drips', async () => {
      let closed: Promise<unknown> | undefined;
      const wire = await serve((socket) => {
        closed = once(socket, 'close');
        socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\n.');
      });
      (await client.send(get(wire))).discard();
      await closed;
      assert.equal(wire.connections, 1);
    }).timeout(10_000);

    it('drops a kept connection on which bytes come unasked, so that no answer is taken for another', async () => {
      let poisoned: () => void = () => {};
      const done = new Promise<void>((resolve) => {
        poisoned = resolve;
      });
      const wire = await serve((socket, _head, count) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
        if (count > 1) return;
        socket.on('close', () => poisoned());
        setImmediate(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED'));
      });
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
      await done;
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
      assert.equal(wire.connections, 2);
    });

    it('H08: sends once more where a kept connection turns out to be closed', async () => {
      const wire = await serve((socket, _head, count) => {
        if (count === 2) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
      });
      await pumped(await client.send(get(wire)));
      assert.equal((await pumped(await client.send(get(wire)))).toString(), 'x');
      assert.equal(wire.requests.length, 3);
    });

    const nonsense = [
      'HTTP/1.1 200 OK\nContent-Length: 1\n\nx\r\n\r\n',
      'garbage\r\n\r\n',
      'HTTP/1.1 101 Switching\r\n\r\n',
    ];
    for (const text of nonsense) {
      it(`refuses ${JSON.stringify(text)}`, async () => {
        const wire = await serve((socket) => socket.write(text));
        await assert.rejects(client.send(get(wire)), hasCode('upstream-protocol'));
      });
    }

    it('refuses a head without end', async () => {
      const wire = await serve((socket) => socket.write(`HTTP/1.1 200 OK\r\nA: ${'x'.repeat(100_000)}`));
      await assert.rejects(client.send(get(wire)), hasCode('upstream-protocol'));
    });

    it('gives up when it is told to, before the head and in the body', async () => {
      const early = new AbortController();
      const wire = await serve((socket, head) => {
        if (head.includes('/late')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx');
        else early.abort();
      });
      await assert.rejects(client.send(get(wire, '/early', { signal: early.signal })), hasCode('upstream-truncated'));
      const late = new AbortController();
      const response = await client.send(get(wire, '/late', { signal: late.signal }));
      await assert.rejects(response.pump?.(() => late.abort()) ?? Promise.resolve(), hasCode('upstream-truncated'));
    });

    it('keeps a connection whose short body was not wanted, and drops one whose body is long', async () => {
      const wire = await serve((socket, head) => {
        const length = head.includes('/long') ? 1_000_000 : 5;
        socket.write(`HTTP/1.1 307 Elsewhere\r\nContent-Length: ${length}\r\n\r\n`);
        socket.write(Buffer.alloc(length));
      });
      (await client.send(get(wire, '/short'))).discard();
      await pumped(await client.send(get(wire, '/short')));
      (await client.send(get(wire, '/long'))).discard();
      await pumped(await client.send(get(wire, '/short')));
      assert.ok(wire.connections >= 2 && wire.connections <= 3);
    });
  });
}

describe('upstream/blob-client', () => {
  it('H04: says that an upstream sent no answer in time', async () => {
    const sockets: net.Socket[] = [];
    const server = net.createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const trust = testTrust();
    const client = createBlobClient({ guard, trust }, { connectMs: 5000, headMs: 1, idleMs: 1 });
    const request = {
      target: { scheme: 'http', host: '127.0.0.1', port },
      method: 'GET',
      path: '/',
      headers: [],
    } as const;
    await assert.rejects(client.send(request), hasCode('upstream-timeout'));
    await client.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('sends nothing but GETs', async () => {
    const trust = testTrust();
    const client = createBlobClient({ guard, trust });
    const request = {
      target: { scheme: 'http', host: '127.0.0.1', port: 1 },
      method: 'HEAD',
      path: '/',
      headers: [],
    } as const;
    await assert.rejects(client.send(request), hasCode('internal'));
  });
});
