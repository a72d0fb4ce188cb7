import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard, type EgressGuard } from '../../src/net/egress-guard.js';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { connectInside, connectRaw, connectThrough } from './raw-client.js';
import { loopbackGuard, startDoor, startUpstream, TEST_LIMITS, type TestDoor } from './test-door.js';

function auto(port: number) {
  return createHostPolicy({ intercept: ['auto'], tunnel: [], deny: ['denied.test'], connectPorts: [port] });
}

describe('proxy/connect-door', () => {
  let door: TestDoor;
  afterEach(() => door.close());
  const connect = async (authority: string): Promise<string> => {
    const client = await connectRaw(door.port);
    client.send(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    return client.closed();
  };

  it('asks whether an unknown host is a registry, and opens it only on a yes', async () => {
    const upstream = await startUpstream((socket) => socket.end('plain'));
    const asked: string[] = [];
    door = await startDoor({
      policy: auto(upstream.port),
      probe: {
        verdictFor: async (host) => {
          asked.push(host);
          return host === 'yes.test' ? 'registry' : host === 'no.test' ? 'other' : 'unknown';
        },
        learn: () => undefined,
        close: () => undefined,
      },
    });
    const inside = await connectInside(door.port, `yes.test:${upstream.port}`, door.ca);
    inside.destroy();
    for (const host of ['no.test', 'silent.test']) {
      const client = await connectThrough(door.port, `${host}:${upstream.port}`);
      assert.match(await client.closed(), /plain$/);
      client.destroy();
    }
    assert.deepEqual(asked, ['yes.test', 'no.test', 'silent.test']);
    assert.equal(door.told[0], `opened yes.test:${upstream.port} asked`);
    await upstream.close();
  });

  it('tells the first opening of a host, once', async () => {
    door = await startDoor();
    for (const authority of ['a.test:443', 'a.test:443', 'b.test:443']) {
      const client = await connectInside(door.port, authority, door.ca);
      client.destroy();
    }
    const opened = door.told.filter((line) => line.startsWith('opened '));
    assert.deepEqual(opened, ['opened a.test:443 all', 'opened b.test:443 all']);
  });

  it('A06: answers 403 to closed ports and denied hosts, naming the option', async () => {
    door = await startDoor({ policy: auto(443) });
    for (const port of [25, 80, 2375, 6443, 11_211]) {
      assert.match(await connect(`registry.test:${port}`), /^HTTP\/1\.1 403 [^]*--connect-ports/);
    }
    door.told.length = 0;
    assert.match(await connect('registry.test:22'), /^HTTP\/1\.1 403 [^]*--connect-ports 443,22/);
    assert.match(await connect('denied.test:443'), /^HTTP\/1\.1 403 [^]*--deny/);
    assert.match(door.told[0] ?? '', /^refused denied Port 22 /);
  });

  it('A01, A02: answers 403 to addresses that may not be reached, opened or not', async () => {
    const guard = createEgressGuard({ allow: parseRanges([]), deny: parseRanges([]), ownListeners: () => [] });
    for (const intercept of ['all', 'none']) {
      const policy = createHostPolicy({ intercept: [intercept], tunnel: [], deny: [], connectPorts: [443] });
      door = await startDoor({ guard, policy });
      for (const authority of [
        '127.0.0.1:443',
        '[::1]:443',
        '169.254.169.254:443',
        '[fd00:ec2::254]:443',
        '0.0.0.0:443',
      ]) {
        assert.match(await connect(authority), /^HTTP\/1\.1 403 [^]*--egress-allow/, authority);
      }
      await door.close();
    }
    door = await startDoor();
  });

  it('D11: lets one client have 256 idle tunnels, tells the next with 503, and leaves room for others', async () => {
    const upstream = await startUpstream((socket) => socket.pipe(socket));
    const policy = createHostPolicy({ intercept: ['none'], tunnel: [], deny: [], connectPorts: [upstream.port] });
    door = await startDoor({ policy });
    const authority = `plain.test:${upstream.port}`;
    const tunnels = await Promise.all(Array.from({ length: 256 }, () => connectThrough(door.port, authority)));
    assert.equal(door.listener.tunnels, 256);
    const refused = await connect(authority);
    assert.match(refused, /^HTTP\/1\.1 503 [^]*Retry-After: \d+\r\n[^]*--max-client-connections/);
    const beyond = await Promise.all(Array.from({ length: 40 }, () => connectRaw(door.port)));
    while (beyond.filter(({ socket }) => !socket.readableEnded && !socket.destroyed).length > 16) await turn();
    const other = await connectFrom('127.0.0.2', door.port);
    other.write(`CONNECT ${authority} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [answer] = (await once(other, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    for (const one of [...tunnels, ...beyond]) one.destroy();
    other.destroy();
    while (door.listener.tunnels > 0) await turn();
    const again = await connectThrough(door.port, authority);
    again.destroy();
    await upstream.close();
  });

  it('A16: lets CONNECTs to an address that never answers wait for themselves, and nobody else', async () => {
    const upstream = await startUpstream((socket) => socket.end('here'));
    const policy = createHostPolicy({ intercept: ['none'], tunnel: [], deny: [], connectPorts: [upstream.port] });
    const loopback = loopbackGuard();
    const guard: EgressGuard = {
      check: (address, port) => loopback.check(address, port),
      lookupFor: (port) => (name, options, callback) => {
        if (name !== 'black.test') loopback.lookupFor(port)(name, options, callback);
      },
    };
    const limits = { ...TEST_LIMITS, connections: { perClient: 20, total: 100 } };
    door = await startDoor({ policy, guard, limits, dialTimeoutMs: 60_000 });
    const waiting = await Promise.all(Array.from({ length: 20 }, () => connectRaw(door.port)));
    for (const client of waiting) client.send(`CONNECT black.test:${upstream.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.match(await connect(`black.test:${upstream.port}`), /^HTTP\/1\.1 503 /);
    const other = await connectFrom('127.0.0.2', door.port);
    other.write(`CONNECT plain.test:${upstream.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    const [answer] = (await once(other, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    other.destroy();
    for (const client of waiting) client.destroy();
    await upstream.close();
  });

  it('B17: makes a client wait that asks for certificates of too many hosts, and nobody else', async () => {
    const limits = { ...TEST_LIMITS, mints: { burst: 5, perSecond: 0 } };
    door = await startDoor({ limits });
    for (let n = 0; n < 5; n += 1) (await connectInside(door.port, `h${n}.test:443`, door.ca)).destroy();
    assert.match(await connect('h5.test:443'), /^HTTP\/1\.1 503 [^]*Retry-After: [^]*certificates of too many hosts/);
    (await connectInside(door.port, 'h0.test:443', door.ca)).destroy();
    const other = await connectFrom('127.0.0.2', door.port);
    other.write('CONNECT h5.test:443 HTTP/1.1\r\nHost: x\r\n\r\n');
    const [answer] = (await once(other, 'data')) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 200 /);
    other.destroy();
  });

  it('B18: bounds the handshakes in progress', async () => {
    const limits = { ...TEST_LIMITS, handshakes: { perClient: 3, total: 10 } };
    door = await startDoor({ limits });
    const stalled = await Promise.all(Array.from({ length: 3 }, () => connectThrough(door.port, 'registry.test:443')));
    assert.match(await connect('registry.test:443'), /^HTTP\/1\.1 503 [^]*Retry-After: /);
    for (const client of stalled) client.destroy();
    while (door.told.filter((line) => line.startsWith('tls ')).length < 3) await turn();
    (await connectInside(door.port, 'registry.test:443', door.ca)).destroy();
  });
});

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function connectFrom(localAddress: string, port: number): Promise<net.Socket> {
  const socket = net.connect({ host: '127.0.0.1', port, localAddress });
  await once(socket, 'connect');
  return socket;
}
