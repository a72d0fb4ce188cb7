import assert from 'node:assert/strict';
import { once } from 'node:events';
import { ProxyError } from '../../src/errors.js';
import type { Exchange } from '../../src/http/exchange.js';
import { connectInside, type RawClient } from './raw-client.js';
import { later, startDoor, type TestDoor } from './test-door.js';

const GET = 'GET /v2/ HTTP/1.1\r\nHost: registry.test\r\n\r\n';
const turn = () => new Promise((resolve) => setImmediate(resolve));

function code(error: unknown): string | undefined {
  return error instanceof ProxyError ? error.code : undefined;
}

describe('proxy/http-exchange', () => {
  let door: TestDoor;
  afterEach(() => door.close());
  const ask = async (request: string, handler: (exchange: Exchange) => Promise<void>): Promise<RawClient> => {
    door = await startDoor({ handler });
    const client = await connectInside(door.port, 'registry.test:443', door.ca);
    client.send(request);
    return client;
  };

  it('gives the request without what belongs to the connection, all else byte for byte', async () => {
    const lines = [
      'hOST: registry.test',
      'ACCEPT: a',
      'accept: b',
      'Connection: close, X-Hop',
      'X-Hop: 1',
      'TE: trailers',
    ];
    const more = [
      'Keep-Alive: 1',
      'Proxy-Authorization: Basic x',
      'Proxy-Connection: x',
      'Upgrade: h2',
      'X-Latin: \xe9',
    ];
    const client = await ask(`GET /a?b HTTP/1.1\r\n${[...lines, ...more].join('\r\n')}\r\n\r\n`, async ({ reply }) => {
      reply.head(204, []);
      await reply.end();
    });
    await client.closed();
    const [exchange] = door.exchanges;
    assert.deepEqual(exchange?.target, { scheme: 'https', host: 'registry.test', port: 443 });
    assert.equal(exchange?.client, '127.0.0.1');
    assert.equal(exchange?.request.path, '/a?b');
    assert.deepEqual(exchange?.request.headers.slice(0, 6), ['hOST', 'registry.test', 'ACCEPT', 'a', 'accept', 'b']);
    assert.equal(exchange?.request.headers.length, 8);
    assert.equal(exchange?.request.headers[6], 'X-Latin');
  });

  it('sends the head with the case, order and repetitions that it was given, and the Date of the upstream', async () => {
    const client = await ask(GET, async ({ reply }) => {
      const hop = ['Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=1', 'Transfer-Encoding', 'chunked'];
      reply.head(200, [
        'x-ONE',
        '1',
        'X-One',
        '2',
        'Date',
        'Sun, 06 Nov 1994 08:49:37 GMT',
        'Content-Length',
        '2',
        ...hop,
      ]);
      await reply.write(Buffer.from('ok'));
      await reply.end();
      assert.deepEqual([reply.headSent, reply.status, reply.sentBytes], [true, 200, 2]);
    });
    const answer = await client.until(/ok$/);
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\nx-ONE: 1\r\nX-One: 2\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n/);
    assert.doesNotMatch(answer, /X-Hop|timeout=1\b(?!\d)|chunked/);
    assert.equal(answer.match(/date:/gi)?.length, 1);
    client.destroy();
  });

  it('sends an answer that is in memory at once, whole, and notes what it sent', async () => {
    const client = await ask(GET, async ({ reply }) => {
      await reply.send(200, ['Content-Length', '5', 'Connection', 'close'], Buffer.from('whole'));
      assert.deepEqual([reply.headSent, reply.status, reply.sentBytes], [true, 200, 5]);
    });
    assert.match(
      await client.until(/whole$/),
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 5\r\n[^]*keep-alive[^]*\r\n\r\nwhole$/,
    );
    client.send(GET);
    assert.equal((await client.until(/whole[^]+whole$/)).match(/HTTP/g)?.length, 2);
    client.destroy();
  });

  it('sends what is larger than one write, what is empty and what has no length at once, too', async () => {
    const bodies = [Buffer.alloc(600 * 1024, 'x'), Buffer.alloc(0), Buffer.from('chunk')];
    const headers = [['Content-Length', String(600 * 1024)], ['Content-Length', '0'], []];
    const client = await ask(GET.repeat(3), async ({ reply }) => {
      const n = door.exchanges.length - 1;
      await reply.send(200, headers[n] ?? [], bodies[n] ?? Buffer.alloc(0));
      assert.equal(reply.sentBytes, bodies[n]?.length);
    });
    const answers = await client.until(/chunk\r\n0\r\n\r\n$/);
    const parts = answers.split(/(?<=\r\n\r\n)/);
    assert.match(parts[1] ?? '', /^x{614400}HTTP[^]+Content-Length: 0\r\n/);
    assert.match(parts[2] ?? '', /^HTTP[^]+Transfer-Encoding: chunked\r\n/);
    assert.equal(parts.at(-1), '5\r\nchunk\r\n0\r\n\r\n');
    client.destroy();
  });

  it('sends only the head of an answer in memory to a HEAD', async () => {
    const client = await ask(GET.replace('GET', 'HEAD'), async ({ reply }) => {
      await reply.send(200, ['Content-Length', '5'], Buffer.from('wrong'));
      assert.equal(reply.sentBytes, 0);
    });
    assert.match(await client.until(/\r\n\r\n$/), /Content-Length: 5/);
    client.destroy();
  });

  it('breaks the connection rather than sending a body in memory of another length than announced', async () => {
    for (const [text, end] of [
      ['shor', /\r\n\r\nshor$/],
      ['too long', /^$/],
    ] as const) {
      const client = await ask(GET, ({ reply }) => reply.send(200, ['Content-Length', '5'], Buffer.from(text)));
      assert.match(await client.closed(), end);
      await door.close();
    }
    door = await startDoor();
  });

  it('rejects what is in memory where the client has gone', async () => {
    const { promise, tell } = later();
    let fault: string | undefined;
    const client = await ask(GET, async ({ reply, signal }) => {
      client.destroy();
      await once(signal, 'abort');
      await reply.send(200, ['Content-Length', '1'], Buffer.from('x')).catch((error: unknown) => {
        fault = code(error);
      });
      tell();
    });
    await promise;
    assert.equal(fault, 'client-gone');
  });

  it('chunks an answer without Content-Length, and sends its head before its first byte', async () => {
    const { promise, tell } = later();
    const client = await ask(GET, async ({ reply }) => {
      reply.head(200, []);
      await promise;
      await reply.write(Buffer.from('late'));
      await reply.end();
    });
    assert.match(await client.until(/\r\n\r\n/), /Transfer-Encoding: chunked/);
    tell();
    assert.match(await client.until(/0\r\n\r\n$/), /\r\n\r\n4\r\nlate\r\n0\r\n\r\n$/);
    client.destroy();
  });

  for (const [request, status] of [
    [GET.replace('GET', 'HEAD'), 200],
    [GET, 204],
    [GET, 304],
  ] as const) {
    it(`sends no body with ${request.slice(0, 4).trim()} and ${status}`, async () => {
      const client = await ask(request, async ({ reply }) => {
        reply.head(status, status === 204 ? [] : ['Content-Length', '5']);
        await reply.write(Buffer.from('wrong'));
        await reply.end();
        assert.equal(reply.sentBytes, 0);
      });
      client.send(request);
      const answer = await client.until(/HTTP[^]+HTTP[^]+\r\n\r\n$/);
      assert.doesNotMatch(answer, /wrong/);
      client.destroy();
    });
  }

  it('breaks the connection rather than ending an answer of another length than announced', async () => {
    for (const [text, end] of [
      ['shor', /\r\n\r\nshor$/],
      ['too long', /^$/],
    ] as const) {
      const client = await ask(GET, async ({ reply }) => {
        reply.head(200, ['Content-Length', '5']);
        await reply.write(Buffer.from(text));
        await reply.end();
      });
      assert.match(await client.closed(), end);
      await door.close();
    }
    door = await startDoor();
  });

  it('aborts its signal and rejects what is being written when the client goes', async () => {
    const faults: (string | undefined)[] = [];
    const { promise, tell } = later();
    const client = await ask(GET, async ({ reply, signal }) => {
      reply.head(200, []);
      const piece = Buffer.alloc(4 * 1024 * 1024);
      for (let i = 0; i < 100 && faults.length === 0; i += 1) {
        await reply.write(piece).catch((error: unknown) => faults.push(code(error)));
      }
      assert.equal(signal.aborted, true);
      await reply.write(piece).catch((error: unknown) => faults.push(code(error)));
      await reply.end().catch((error: unknown) => faults.push(code(error)));
      tell();
    });
    client.socket.pause();
    while ((door.exchanges[0]?.reply.sentBytes ?? 0) < 4 * 1024 * 1024) await turn();
    client.destroy();
    await promise;
    assert.deepEqual(faults, ['client-gone', 'client-gone', 'client-gone']);
  });

  it('does not abort its signal after a whole answer', async () => {
    const client = await ask(GET, async ({ reply }) => {
      reply.head(200, ['Content-Length', '0']);
      await reply.end();
    });
    await client.until(/\r\n\r\n/);
    client.destroy();
    await door.listener.close({ drainMs: 1000 });
    assert.equal(door.exchanges[0]?.signal.aborted, false);
  });

  it('gives the body as it comes', async () => {
    const got: string[] = [];
    const head = 'PATCH /u HTTP/1.1\r\nHost: registry.test\r\nTransfer-Encoding: chunked\r\n\r\n';
    const client = await ask(`${head}5\r\nfirst\r\n`, async ({ request, reply }) => {
      assert.equal(request.hasBody, true);
      for await (const bytes of request.body) {
        got.push(String(bytes));
        if (got.length === 1) client.send('6\r\nsecond\r\n0\r\n\r\n');
      }
      reply.head(202, ['Content-Length', '0']);
      await reply.end();
    });
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 202 /);
    assert.deepEqual(got, ['first', 'second']);
    client.destroy();
  });

  it('breaks the connection when it is told to', async () => {
    const client = await ask(GET, async ({ reply }) => {
      reply.head(200, ['Content-Length', '5']);
      reply.destroy();
      throw new ProxyError('upstream-truncated', 'cut');
    });
    const closed = once(client.socket, 'close');
    await client.closed();
    client.destroy();
    await closed;
    assert.equal(client.received, '');
  });
});
