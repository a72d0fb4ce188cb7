import assert from 'node:assert/strict';
import { once } from 'node:events';
import type http from 'node:http';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { createUpstreamClient, hostHeader } from '../../src/upstream/client.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { createUplinkLimits } from '../../src/upstream/uplink-limits.js';
import { authority, loopbackGuard, type Server, serve, testClient, testTrust, textOf } from './loopback.js';

describe('upstream/client', () => {
  let client: UpstreamClient;
  let server: Server;

  beforeEach(() => {
    client = testClient();
  });
  afterEach(async () => {
    await client.close();
    await server.close();
  });

  it('writes the port into Host only where it is not the own one of the scheme', () => {
    assert.equal(hostHeader({ scheme: 'https', host: 'a.test', port: 443 }), 'a.test');
    assert.equal(hostHeader({ scheme: 'https', host: 'a.test', port: 80 }), 'a.test:80');
    assert.equal(hostHeader({ scheme: 'http', host: '2001:db8::1', port: 80 }), '[2001:db8::1]');
    server = { close: async () => {} } as Server;
  });

  it('sends method, path, headers and body as they are, under the Host of the target', async () => {
    let body = '';
    server = await serve((request, response) => {
      void textOf(request).then((text) => {
        body = text;
        return response.end();
      });
    });
    const headers = ['X-Case', 'Kept', 'Accept', 'a', 'Accept', 'b', 'Host', 'lie.test', 'Content-Length', '5'];
    const path = '/v2/%41/../x?ns=%2F';
    const request = { target: server.target(), method: 'PUT', path, headers, body: Readable.from(['he', 'llo']) };
    (await client.send(request)).discard();
    const [seen] = server.seen;
    assert.deepEqual([seen?.method, seen?.url, body], ['PUT', path, 'hello']);
    const sent = seen?.rawHeaders.join('\n') ?? '';
    assert.match(sent, /X-Case\nKept/);
    assert.match(sent, /Accept\na\nAccept\nb/);
    assert.equal(seen?.rawHeaders.filter((name) => name.toLowerCase() === 'host').length, 1);
    assert.equal(seen?.headers.host, `127.0.0.1:${server.port}`);
  });

  it('gives headers as they stand on the wire and a body that nobody has decoded', async () => {
    const zipped = gzipSync('hello');
    server = await serve((_request, response) => {
      response.sendDate = false;
      response.writeHead(200, [
        'X-ONE',
        '1',
        'x-one',
        '2',
        'Content-Encoding',
        'gzip',
        'Content-Length',
        `${zipped.length}`,
      ]);
      response.end(zipped);
    });
    const response = await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] });
    assert.deepEqual(response.headers.slice(0, 6), ['X-ONE', '1', 'x-one', '2', 'Content-Encoding', 'gzip']);
    assert.equal(await textOf(response.body), zipped.toString('latin1'));
  });

  it('follows no redirect', async () => {
    server = await serve((_request, response) => response.writeHead(307, { Location: '/there' }).end());
    const response = await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] });
    response.discard();
    assert.deepEqual([response.status, server.seen.length], [307, 1]);
  });

  it('speaks to a TLS upstream under its name', async () => {
    server = await serve((_request, response) => response.end('secure'), authority.issue(['registry.test']));
    const target = server.target('https', 'registry.test');
    const response = await client.send({ target, method: 'GET', path: '/', headers: [] });
    assert.equal(await textOf(response.body), 'secure');
    assert.equal(server.seen[0]?.headers.host, `registry.test:${server.port}`);
  });

  it('uses the connection again after a short body that nobody wanted', async () => {
    server = await serve((_request, response) => response.end('x'.repeat(1000)));
    for (let i = 0; i < 3; i += 1) {
      const response = await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] });
      response.discard();
      await once(response.body, 'close');
      // The connection is free again one turn after its answer's end.
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(server.connections, 1);
  });

  it('sends uploads on connections of their own, so that no look-up waits for them', async () => {
    const limits = createUplinkLimits({ connections: 4, bytesPerSecond: 0 });
    const limited = createUpstreamClient({ guard: loopbackGuard(), trust: testTrust(), limits });
    const held: http.ServerResponse[] = [];
    server = await serve((request, response) => {
      if (request.method === 'PUT') held.push(response);
      else response.end('here');
    });
    const put = () => ({ target: server.target(), method: 'PUT', path: '/', headers: [], body: Readable.from(['x']) });
    const uploads = Array.from({ length: 6 }, () => limited.send(put()));
    while (held.length < 3) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 3; i += 1) {
      const answer = await limited.send({ target: server.target(), method: 'GET', path: '/', headers: [] });
      assert.equal(await textOf(answer.body), 'here');
    }
    assert.ok(server.connections <= 4, `${server.connections} connections`);
    while (held.length > 0 || server.seen.filter(({ method }) => method === 'PUT').length < 6) {
      held.shift()?.end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const upload of await Promise.all(uploads)) upload.discard();
    await limited.close();
  });

  it('uses the connection again after a HEAD', async () => {
    server = await serve((_request, response) => response.writeHead(200, { 'Content-Length': 1000 }).end());
    for (let i = 0; i < 3; i += 1) {
      const response = await client.send({ target: server.target(), method: 'HEAD', path: '/', headers: [] });
      response.discard();
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(server.connections, 1);
  });

  it('never takes the body of a HEAD, which there is none, for the answer to the next request', async () => {
    const poison = 'HTTP/1.1 200 OK\r\nX-Poisoned: yes\r\nContent-Length: 0\r\n\r\n';
    server = await serve((request, response) => {
      if (request.method === 'HEAD') {
        request.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${poison.length}\r\n\r\n${poison}`);
        return;
      }
      response.end('clean');
    });
    const ask = async (method: string) => client.send({ target: server.target(), method, path: '/', headers: [] });
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all([ask('HEAD'), ask('GET'), ask('HEAD'), ask('GET')]);
      for (const answer of [...answers, await ask('GET')]) {
        assert.ok(!answer.headers.includes('X-Poisoned'));
        answer.discard();
      }
    }
  });

  it('closes the connection of a long body that nobody wanted', async () => {
    let closed: Promise<unknown> | undefined;
    server = await serve((request, response) => {
      closed = once(request.socket, 'close');
      response.writeHead(200, { 'Content-Length': 10_000_000 }).write(Buffer.alloc(1000));
    });
    (await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] })).discard();
    await closed;
  });

  function dieOnce(server: { count: number }, response: http.ServerResponse): void {
    server.count += 1;
    if (server.count === 1) response.socket?.destroy();
    else response.end('second');
  }

  for (const method of ['GET', 'HEAD']) {
    it(`sends a ${method} once more whose connection died before the answer`, async () => {
      const state = { count: 0 };
      server = await serve((_request, response) => dieOnce(state, response));
      const response = await client.send({ target: server.target(), method, path: '/', headers: [] });
      response.discard();
      assert.deepEqual([response.status, state.count], [200, 2]);
    });
  }

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    it(`never sends a ${method} twice`, async () => {
      const state = { count: 0 };
      server = await serve((_request, response) => dieOnce(state, response));
      const request = { target: server.target(), method, path: '/', headers: [] };
      await assert.rejects(client.send(request), { code: 'upstream-truncated' });
      assert.equal(state.count, 1);
    });
  }

  it('never sends a body twice', async () => {
    const state = { count: 0 };
    server = await serve((_request, response) => dieOnce(state, response));
    const request = { target: server.target(), method: 'GET', path: '/', headers: ['Content-Length', '1'] };
    await assert.rejects(client.send({ ...request, body: Readable.from(['x']) }), { code: 'upstream-truncated' });
    assert.equal(state.count, 1);
  });

  it('gives up after the second try', async () => {
    server = await serve((request) => request.socket.destroy());
    const request = { target: server.target(), method: 'GET', path: '/', headers: [] };
    await assert.rejects(client.send(request), { code: 'upstream-truncated' });
    assert.equal(server.seen.length, 2);
  });

  it('refuses an answer with more than 200 header lines, and lives on', async () => {
    server = await serve((_request, response) => {
      const lines = Array.from({ length: 201 }, (_, i) => [`X-${i}`, '1']).flat();
      response.writeHead(200, ['Content-Length', '100000', ...lines]).write(Buffer.alloc(100));
    });
    const request = { target: server.target(), method: 'GET', path: '/', headers: [] };
    await assert.rejects(client.send(request), { code: 'upstream-protocol' });
  });

  it('throws nothing at the process when a body is left in the middle, or refused when it is whole (D17)', async () => {
    const lines = Array.from({ length: 201 }, (_, i) => [`X-${i}`, '1']).flat();
    server = await serve((request, response) => {
      response
        .writeHead(200, request.url === '/lines' ? lines : [])
        .end(Buffer.alloc(request.url === '/lines' ? 5 : 200_000));
    });
    const request = { target: server.target(), method: 'GET', headers: [] };
    const { body } = await client.send({ ...request, path: '/' });
    for await (const _ of body) break;
    await assert.rejects(client.send({ ...request, path: '/lines' }), { code: 'upstream-protocol' });
    // Whatever is thrown at the process is thrown in a turn of its own.
    for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  });

  it('says that no head came in time', async () => {
    await client.close();
    client = testClient({ headMs: 20 });
    server = await serve(() => {});
    const request = { target: server.target(), method: 'POST', path: '/', headers: [] };
    await assert.rejects(client.send(request), { code: 'upstream-timeout' });
  });

  it('breaks a body that is cut, so that it cannot pass for a whole one', async () => {
    server = await serve((_request, response) => {
      response.writeHead(200, { 'Content-Length': 10 });
      response.write('12345', () => response.socket?.destroy());
    });
    const response = await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] });
    await assert.rejects(textOf(response.body));
  });

  it('ends a connection whose unwanted body never ends', async () => {
    let closed: Promise<unknown> | undefined;
    server = await serve((request, response) => {
      closed = once(request.socket, 'close');
      response.write('x');
    });
    (await client.send({ target: server.target(), method: 'GET', path: '/', headers: [] })).discard();
    await closed;
  });

  it('gives a request up when it is told to, before and after the head', async () => {
    let closed: Promise<unknown> | undefined;
    server = await serve((request, response) => {
      closed = once(request.socket, 'close');
      if (request.url === '/body') response.writeHead(200, { 'Content-Length': 10 }).write('12345');
    });
    for (const path of ['/head', '/body']) {
      const gone = new AbortController();
      const arrived = until(() => server.seen.some(({ url }) => url === path));
      const sending = client.send({ target: server.target(), method: 'GET', path, headers: [], signal: gone.signal });
      sending.catch(() => {});
      await arrived;
      const body = path === '/body' ? textOf((await sending).body) : sending;
      gone.abort();
      await assert.rejects(body);
      await closed;
    }
    assert.equal(server.seen.length, 2);
  });
});

async function until(look: () => boolean): Promise<void> {
  while (!look()) await new Promise((resolve) => setImmediate(resolve));
}
