import assert from 'node:assert/strict';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { connectInside, connectRaw } from './raw-client.js';
import { startDoor, type TestDoor } from './test-door.js';

describe('proxy/request-door', () => {
  let door: TestDoor;
  afterEach(() => door.close());
  const own = async (request: string): Promise<string> => {
    const client = await connectRaw(door.port);
    client.send(`${request} HTTP/1.1\r\nHost: registry.test\r\nConnection: close\r\n\r\n`);
    return client.closed();
  };

  it('answers its own paths on its own port', async () => {
    door = await startDoor({
      origin: (path) =>
        path === '/ca.crt'
          ? { status: 200, headers: ['Content-Type', 'application/x-pem-file'], body: 'PEM' }
          : undefined,
    });
    assert.match(
      await own('GET /ca.crt'),
      /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/x-pem-file\r\nContent-Length: 3\r\n[^]*\r\n\r\nPEM$/,
    );
    assert.match(await own('HEAD /ca.crt'), /^HTTP\/1\.1 200 [^]*Content-Length: 3\r\n[^]*\r\n\r\n$/);
    assert.match(await own('POST /ca.crt'), /^HTTP\/1\.1 405 /);
  });

  it('explains itself to whoever takes it for a web server', async () => {
    door = await startDoor();
    for (const request of ['GET /', 'GET /v2/', 'OPTIONS *', 'GET https://registry.test/']) {
      assert.match(await own(request), /^HTTP\/1\.1 400 [^]*(HTTPS_PROXY|by CONNECT)/, request);
    }
    assert.match(await own('GET /'), /answers by itself only GET \/ca\.crt\./);
    assert.deepEqual(door.exchanges, []);
  });

  it('A10: answers 403 to plain requests to other ports than 80 and the open ones', async () => {
    door = await startDoor({
      policy: createHostPolicy({ intercept: ['auto'], tunnel: [], deny: ['denied.test'], connectPorts: [443] }),
    });
    const ask = async (authority: string) => {
      const client = await connectRaw(door.port);
      client.send(`GET http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`);
      return client.closed();
    };
    assert.match(await ask('registry.test:3129'), /^HTTP\/1\.1 403 [^]*--connect-ports/);
    assert.match(await ask('denied.test'), /^HTTP\/1\.1 403 [^]*--deny/);
    assert.match(await ask('registry.test'), /^HTTP\/1\.1 200 /);
  });

  it('answers 500 with the request id where the handler fails, or ends without an answer', async () => {
    for (const handler of [
      async () => {
        throw new Error('bug');
      },
      async () => undefined,
    ]) {
      door = await startDoor({ handler });
      const client = await connectInside(door.port, 'registry.test:443', door.ca);
      client.send('GET / HTTP/1.1\r\nHost: registry.test\r\n\r\n');
      const answer = await client.closed();
      assert.match(answer, /^HTTP\/1\.1 500 /);
      const { errors } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
      assert.equal(errors[0].detail.requestId, door.exchanges[0]?.id);
      assert.doesNotMatch(answer, /bug/);
      assert.match(door.told.at(-1) ?? '', new RegExp(`^fault .* ${door.exchanges[0]?.id}$`));
      await door.close();
    }
    door = await startDoor();
  });

  it('gives every exchange an id of its own', async () => {
    door = await startDoor();
    await own('GET http://registry.test/');
    await own('GET http://registry.test/');
    assert.equal(new Set(door.exchanges.map(({ id }) => id)).size, 2);
  });

  it('answers a request that comes with one that is malformed, without mixing the two', async () => {
    door = await startDoor();
    const client = await connectInside(door.port, 'registry.test:443', door.ca);
    client.send('GET /1 HTTP/1.1\r\nHost: registry.test\r\n\r\n');
    await client.until(/ 0\n/);
    client.send('BAD\r\n\r\n');
    const answer = await client.closed();
    assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 2);
    assert.match(answer, /443\/1 0\nHTTP\/1\.1 400 /);
  });
});
