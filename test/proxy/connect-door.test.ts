import assert from 'node:assert/strict';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard } from '../../src/net/egress-guard.js';
import { createHostPolicy } from '../../src/proxy/verdict.js';
import { connectInside, connectRaw, connectThrough } from './raw-client.js';
import { startDoor, startUpstream, type TestDoor } from './test-door.js';

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

  it('answers 403 to closed ports and denied hosts, naming the option', async () => {
    door = await startDoor({ policy: auto(443) });
    assert.match(await connect('registry.test:22'), /^HTTP\/1\.1 403 [^]*--connect-ports 443,22/);
    assert.match(await connect('denied.test:443'), /^HTTP\/1\.1 403 [^]*--deny/);
    assert.match(door.told[0] ?? '', /^refused denied Port 22 /);
  });

  it('answers 403 to addresses that may not be reached, opened or not', async () => {
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
});
