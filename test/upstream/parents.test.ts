import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import type { FaultCode } from '../../src/errors.js';
import { ProxyError } from '../../src/errors.js';
import type { Target } from '../../src/http/exchange.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard } from '../../src/net/egress-guard.js';
import { parseNoProxy } from '../../src/net/no-proxy.js';
import { formatParent, type ParentAddress, type Way } from '../../src/net/parent-address.js';
import { createBlobClient } from '../../src/upstream/blob-client.js';
import { createUpstreamClient } from '../../src/upstream/client.js';
import { createParents, type Parents, type ParentsOptions } from '../../src/upstream/parents.js';
import { type FakeParent, startFakeParent } from '../support/fake-parent.js';
import { seededBytes } from '../support/registry-content.js';
import { authority, loopbackGuard, type Server, serve, testTrust, textOf } from './loopback.js';

const TIMEOUTS = { connectMs: 5000, headMs: 5000, idleMs: 5000 };
/** Nobody listens there. */
const DEAD: ParentAddress = { scheme: 'http', host: '127.0.0.1', port: 1 };

function says(code: FaultCode, words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof ProxyError && error.code === code && words.test(error.message);
}

describe('upstream/parents', () => {
  let parent: FakeParent;
  let server: Server;
  const closers: (() => Promise<void>)[] = [];

  function make(https: readonly Way[], more: Partial<ParentsOptions> = {}): Parents {
    return createParents({
      ways: { https, http: https },
      noProxy: parseNoProxy([]),
      credentials: new Map(),
      guard: loopbackGuard(),
      trust: testTrust(),
      via: '1.1 entrepot-test',
      timeouts: { dialMs: 1000, tlsMs: 5000, answerMs: 5000 },
      ...more,
    });
  }

  /** Both clients over these parents; their own guard lets them to no address at all. */
  function clients(parents: Parents) {
    const options = { guard: loopbackGuard([]), trust: testTrust(), parents };
    const made = [createUpstreamClient(options, TIMEOUTS), createBlobClient(options, TIMEOUTS)] as const;
    closers.push(...made.map((client) => () => client.close()));
    return made;
  }

  const target = (): Target => server.target('https', 'registry.test');

  beforeEach(async () => {
    parent = await startFakeParent();
    server = await serve((_request, response) => response.end('hello'), authority.issue(['registry.test']));
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
    await parent.kill();
    await server.close();
  });

  it('sends requests through a parent, which resolves the name', async () => {
    for (const client of clients(make([parent.address]))) {
      const answer = await client.send({ target: target(), method: 'GET', path: '/', headers: [] });
      assert.equal(await textOf(answer.body), 'hello');
    }
    assert.deepEqual(parent.seen, Array(2).fill(`CONNECT registry.test:${server.port}`));
    assert.deepEqual(
      parent.headers.map(({ via }) => via),
      ['1.1 entrepot-test', '1.1 entrepot-test'],
    );
  });

  it('brings large bodies through a parent byte for byte, and waits while their reader waits', async () => {
    const body = seededBytes(3_000_000, 'parent');
    await server.close();
    server = await serve((_request, response) => response.end(body), authority.issue(['registry.test']));
    const [, blobs] = clients(make([parent.address]));
    const response = await blobs.send({ target: target(), method: 'GET', path: '/', headers: [] });
    const pieces: Buffer[] = [];
    let waiting = false;
    await response.pump?.(async (bytes) => {
      assert.equal(waiting, false, 'the sink was called while it was waiting');
      waiting = true;
      pieces.push(Buffer.from(bytes));
      await new Promise((resolve) => setImmediate(resolve));
      waiting = false;
    });
    assert.ok(Buffer.concat(pieces).equals(body));
  });

  it('speaks TLS to a parent whose certificate is good, and not to another', async () => {
    const good = await startFakeParent({ certificate: authority.issue(['127.0.0.1']) });
    closers.push(() => good.kill());
    const [client] = clients(make([good.address]));
    const answer = await client.send({ target: target(), method: 'GET', path: '/', headers: [] });
    assert.equal(await textOf(answer.body), 'hello');
    const bad = await startFakeParent({ certificate: authority.issue(['other.test']) });
    closers.push(() => bad.kill());
    await assert.rejects(make([bad.address]).open(target()), says('upstream-connect', /https:\/\/127\.0\.0\.1/));
    assert.deepEqual(bad.seen, []);
  });

  it('goes on to the next where one cannot be reached, and straight where that is the last', async () => {
    const socket = await make([DEAD, parent.address]).open(target());
    socket?.destroy();
    assert.equal(parent.seen.length, 1);
    assert.equal(await make([DEAD, 'direct']).open(target()), undefined);
  });

  it('waits no long time for a parent that says nothing where there is another way', async () => {
    const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const timeouts = { dialMs: 1000, tlsMs: 5000, answerMs: 3_600_000 };
    const parents = make([{ ...DEAD, port }, parent.address], { timeouts, hurriedAnswerMs: 20 });
    const socket = await parents.open(target()).finally(() => silent.close());
    socket?.destroy();
    assert.equal(parent.seen.length, 1);
  });

  it('tries a parent that is left out where there is no other way', async () => {
    const parents = make([parent.address], { openMs: 3_600_000 });
    await parent.kill();
    for (let i = 0; i < 3; i += 1) await assert.rejects(parents.open(target()), says('upstream-connect', /refused/));
    assert.deepEqual(parents.leftOut, [formatParent(parent.address)]);
    await parent.revive();
    (await parents.open(target()))?.destroy();
    assert.equal(parent.seen.length, 1);
  });

  it('goes on to the next where one cannot reach the upstream', async () => {
    parent.refuse(503);
    const second = await startFakeParent();
    closers.push(() => second.kill());
    (await make([parent.address, second.address]).open(target()))?.destroy();
    assert.deepEqual([parent.seen.length, second.seen.length], [1, 1]);
  });

  it('names every parent where none can be reached', async () => {
    const other = { ...DEAD, port: 2 };
    await assert.rejects(
      make([DEAD, other]).open(target()),
      says('upstream-connect', /registry\.test cannot be reached.*127\.0\.0\.1:1.*refused.*127\.0\.0\.1:2.*refused/),
    );
  });

  it('takes the no of a parent for its last word: 403, and 407 for a password', async () => {
    const parents = make([parent.address, 'direct']);
    const name = formatParent(parent.address).replaceAll('.', '\\.');
    parent.refuse(403);
    await assert.rejects(
      parents.open(target()),
      says('upstream-parent', new RegExp(`${name} refuses .*registry\\.test .403`)),
    );
    parent.refuse(407);
    await assert.rejects(parents.open(target()), says('upstream-parent', new RegExp(`${name} asks for a password`)));
    assert.equal(server.connections, 0);
  });

  it('gives a parent its password, and no other', async () => {
    const second = await startFakeParent();
    closers.push(() => second.kill());
    const credentials = new Map([[`127.0.0.1:${parent.address.port}`, 'Basic Ym9iOng=']]);
    (await make([parent.address], { credentials }).open(target()))?.destroy();
    (await make([second.address], { credentials }).open(target()))?.destroy();
    assert.equal(parent.headers[0]?.['proxy-authorization'], 'Basic Ym9iOng=');
    assert.equal(second.headers[0]?.['proxy-authorization'], undefined);
  });

  it('A14: says that a parent leads back: 508, or the very address of this proxy', async () => {
    parent.refuse(508);
    await assert.rejects(make([parent.address, 'direct']).open(target()), says('loop', /leads back/));
    const own = createEgressGuard({
      allow: parseRanges(['0.0.0.0/0']),
      deny: parseRanges([]),
      ownListeners: () => [{ address: '127.0.0.1', port: parent.address.port }],
    });
    const seen = parent.seen.length;
    await assert.rejects(
      make([parent.address, 'direct'], { guard: own }).open(target()),
      says('loop', /is this proxy itself/),
    );
    assert.equal(parent.seen.length, seen);
  });

  it('leaves a parent out after three failures, and uses it again when it works', async () => {
    const changes: string[] = [];
    await parent.kill();
    const parents = make([parent.address, 'direct'], {
      openMs: 30,
      onChange: (name, usable) => changes.push(`${name} ${usable}`),
    });
    const name = formatParent(parent.address);
    for (let i = 0; i < 3; i += 1) assert.equal(await parents.open(target()), undefined);
    assert.deepEqual([parents.leftOut, changes], [[name], [`${name} false`]]);
    await parent.revive();
    while (parents.leftOut.length > 0) {
      (await parents.open(target()))?.destroy();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.deepEqual(changes, [`${name} false`, `${name} true`]);
    assert.ok(parent.seen.length >= 2, 'one good answer is no recovery');
  });

  it('leaves no parent out because of hosts that it cannot reach and says nothing about', async () => {
    let isHung = false;
    const choosy = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (head) => {
        if (!isHung && head.includes('CONNECT registry.test:')) socket.write('HTTP/1.1 200 OK\r\n\r\n');
        if (head.includes('CONNECT closed.test:')) socket.end();
      });
    });
    choosy.listen(0, '127.0.0.1');
    await once(choosy, 'listening');
    const way = { ...DEAD, port: (choosy.address() as AddressInfo).port };
    const parents = make([way], { openMs: 60_000, timeouts: { dialMs: 1000, tlsMs: 20, answerMs: 20 } });
    for (const host of ['blackhole.test', 'closed.test', 'blackhole.test', 'closed.test']) {
      await assert.rejects(parents.open({ scheme: 'https', host, port: 443 }));
    }
    assert.deepEqual(parents.leftOut, []);
    (await parents.open(target()))?.destroy();
    isHung = true;
    for (let i = 0; i < 3; i += 1) await assert.rejects(parents.open(target()));
    assert.deepEqual(parents.leftOut, [formatParent(way)]);
    choosy.close();
  });

  it('gives up on a parent that says nothing, closes, or makes no sense', async () => {
    const answers = ['', 'HELLO\r\n\r\n', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`];
    for (const answer of answers) {
      const odd = net.createServer((socket) => {
        socket.on('error', () => undefined);
        socket.once('data', () => socket.end(answer));
      });
      odd.listen(0, '127.0.0.1');
      await once(odd, 'listening');
      const way = { ...DEAD, port: (odd.address() as AddressInfo).port };
      await assert.rejects(
        make([way]).open(target()),
        says('upstream-connect', /127\.0\.0\.1/),
        JSON.stringify(answer),
      );
      odd.close();
    }
    const silent = net.createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const way = { ...DEAD, port: (silent.address() as AddressInfo).port };
    const timeouts = { dialMs: 1000, tlsMs: 20, answerMs: 20 };
    await assert.rejects(make([way], { timeouts }).open(target()), says('upstream-connect', /did not answer within/));
    await assert.rejects(
      make([{ ...way, scheme: 'https' }], { timeouts }).open(target()),
      says('upstream-connect', /no TLS handshake/),
    );
    silent.close();
  });

  it('leaves out what is not to go through a parent, and takes what is set for a registry first', async () => {
    const parents = make([DEAD], {
      noProxy: parseNoProxy(['.internal']),
      waysOf: (host) => (host === 'own.test' ? [parent.address] : host === 'straight.test' ? ['direct'] : undefined),
    });
    const at = (host: string): Target => ({ scheme: 'https', host, port: server.port });
    assert.deepEqual(
      ['registry.test', 'a.internal', 'own.test', 'straight.test'].map((host) => parents.leadTo(at(host))),
      [true, false, true, false],
    );
    assert.equal(await parents.open(at('a.internal')), undefined);
    (await parents.open(at('own.test')))?.destroy();
    assert.deepEqual(parent.seen, [`CONNECT own.test:${server.port}`]);
  });

  it('keeps literal addresses from parents that the guard keeps from us', async () => {
    const [client] = clients(make([parent.address]));
    for (const host of ['127.0.0.1', '169.254.169.254', '::1']) {
      const refused = client.send({ target: { ...target(), host }, method: 'GET', path: '/', headers: [] });
      await assert.rejects(refused, { code: 'egress-refused' });
    }
    assert.deepEqual(parent.seen, []);
  });

  it('gives on what came together with the answer to CONNECT', async () => {
    const eager = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nhello first'));
    });
    eager.listen(0, '127.0.0.1');
    await once(eager, 'listening');
    const socket = await make([{ ...DEAD, port: (eager.address() as AddressInfo).port }]).open(target());
    const [bytes] = (await once(socket as net.Socket, 'data')) as [Buffer];
    assert.equal(bytes.toString(), 'hello first');
    socket?.destroy();
    eager.close();
  });
});
