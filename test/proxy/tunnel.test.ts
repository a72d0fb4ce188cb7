import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { connectRaw, connectThrough } from './raw-client.js';
import { startDoor, startUpstream, type TestDoor, type TestUpstream } from './test-door.js';

/** Reads a socket until it breaks; gives the code of its error. */
function broken(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    socket.resume().once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('proxy/tunnel', () => {
  let door: TestDoor;
  let upstream: TestUpstream;
  const open = async (onSocket: Parameters<typeof startUpstream>[0], changes: Parameters<typeof startDoor>[0] = {}) => {
    upstream = await startUpstream(onSocket);
    const policy = createHostPolicy({ intercept: ['none'], tunnel: [], deny: [], connectPorts: [upstream.port] });
    door = await startDoor({ policy, ...changes });
    return `plain.test:${upstream.port}`;
  };
  afterEach(async () => {
    await door.close();
    await upstream.close();
  });

  it('answers 200 only when the upstream has been reached', async () => {
    const authority = await open(() => undefined);
    await upstream.close();
    const client = await connectRaw(door.port);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const answer = await client.closed();
    assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    const body = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    assert.equal(body.errors[0].code, 'UNAVAILABLE');
    assert.equal(body.errors[0].message, `${authority} cannot be reached: the connection was refused.`);
    assert.equal(typeof body.errors[0].detail.requestId, 'string');
    upstream = await startUpstream(() => undefined);
  });

  it('answers 504 to what does not answer, and 403 to what is not to be reached', async () => {
    const authority = await open(() => undefined, {
      dialTimeoutMs: 20,
      guard: { check: () => undefined, lookupFor: () => () => undefined },
    });
    const client = await connectRaw(door.port);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(await client.closed(), /^HTTP\/1\.1 504 /);
  });

  it('lets the client end its sending and still receive', async () => {
    const authority = await open((socket) => {
      let got = '';
      socket.on('data', (bytes: Buffer) => {
        got += String(bytes);
      });
      socket.on('end', () => socket.end(`got ${got}`));
    });
    const client = await connectThrough(door.port, authority);
    client.socket.end('question');
    assert.match(await client.closed(), /\r\n\r\ngot question$/);
  });

  it('lets the upstream end its sending and still receive', async () => {
    const authority = await open((socket) => socket.end('greeting'));
    const client = await connectThrough(door.port, authority);
    assert.match(await client.closed(), /greeting$/);
    const [end] = upstream.sockets;
    assert.ok(end);
    client.socket.end('answer');
    const [bytes] = await once(end, 'data');
    assert.equal(String(bytes), 'answer');
  });

  it('breaks one side when the other breaks, so that nothing looks whole', async () => {
    const authority = await open(() => undefined);
    const first = await connectThrough(door.port, authority);
    while (upstream.sockets.length < 1) await turn();
    const atUpstream = broken(upstream.sockets[0] as Socket);
    (first.socket as Socket).resetAndDestroy();
    assert.equal(await atUpstream, 'ECONNRESET');

    const second = await connectThrough(door.port, authority);
    while (upstream.sockets.length < 2) await turn();
    const atClient = broken(second.socket as Socket);
    upstream.sockets[1]?.resetAndDestroy();
    assert.equal(await atClient, 'ECONNRESET');
    while (door.listener.tunnels > 0) await turn();
  });

  it('takes no more from the upstream than the client reads', async () => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    const authority = await open((socket) => {
      const piece = Buffer.alloc(64 * 1024);
      const push = () => {
        while (written < total) {
          written += piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', push);
            return;
          }
        }
        socket.end();
      };
      push();
    });
    const client = await connectThrough(door.port, authority);
    client.socket.pause();
    let before = -1;
    for (let same = 0; same < 2000; same += 1) {
      await turn();
      if (written !== before) same = 0;
      before = written;
    }
    assert.ok(written < total / 2, `${written} bytes were taken`);
    client.socket.removeAllListeners('data');
    let got = client.received.length - client.received.indexOf('\r\n\r\n') - 4;
    client.socket.on('data', (bytes: Buffer) => {
      got += bytes.length;
    });
    client.socket.resume();
    await once(client.socket, 'end');
    assert.equal(got, total);
    client.destroy();
  });

  it('counts the bytes of both directions', async () => {
    const authority = await open((socket) => {
      socket.once('data', () => socket.end('12345'));
    });
    const client = await connectThrough(door.port, authority, 'abc');
    await client.closed();
    client.socket.end();
    while (door.told.length < 2) await turn();
    assert.deepEqual(door.told, [`tunnel ${authority}`, `closed ${authority} 3/5`]);
  });

  it('closes a tunnel through which nothing passes', async () => {
    const authority = await open(() => undefined, { tunnelIdleTimeoutMs: 20 });
    const client = await connectThrough(door.port, authority);
    await client.closed();
    client.destroy();
    while (door.listener.tunnels > 0) await turn();
  });

  it('lets a busy tunnel go on while the door drains', async () => {
    const authority = await open((socket) => socket.pipe(socket));
    const client = await connectThrough(door.port, authority, 'one');
    await client.until(/one$/);
    const closed = door.listener.close({ drainMs: 10_000 });
    client.send('two');
    assert.match(await client.until(/two$/), /onetwo$/);
    client.socket.end();
    await client.closed();
    await closed;
    assert.equal(door.listener.tunnels, 0);
  });
});
