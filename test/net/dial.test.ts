import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { ProxyError } from '../../src/errors.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { dial } from '../../src/net/dial.js';
import { createEgressGuard, type EgressGuard } from '../../src/net/egress-guard.js';

function guardWith(resolve?: unknown, allow: string[] = ['127.0.0.0/8', '::1']): EgressGuard {
  return createEgressGuard({
    allow: parseRanges(allow),
    deny: parseRanges([]),
    ownListeners: () => [],
    ...(resolve === undefined ? {} : { resolve: resolve as never }),
  });
}

function answering(...addresses: string[]) {
  return (_name: string, _options: unknown, callback: (error: null, found: unknown) => void) =>
    callback(
      null,
      addresses.map((address) => ({ address, family: net.isIP(address) })),
    );
}

async function fault(promise: Promise<unknown>): Promise<ProxyError> {
  const error = await promise.then(
    () => assert.fail('connected'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProxyError, String(error));
  return error;
}

describe('net/dial', () => {
  let server: net.Server;
  let port: number;
  let accepted: number;
  before(async () => {
    server = net.createServer((socket) => {
      accepted += 1;
      socket.on('error', () => undefined).end('hello');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  beforeEach(() => {
    accepted = 0;
  });
  after(() => server.close());

  it('A05: connects to the address that the guard passed', async () => {
    const guard = guardWith(answering('127.0.0.1'));
    const socket = await dial({ host: 'registry.test', port, guard, timeoutMs: 5000 });
    assert.equal(String((await once(socket, 'data'))[0]), 'hello');
    socket.destroy();
  });

  it('A05: dials what was checked, however the name server answers the next time', async () => {
    let asked = 0;
    const rebinding = (_name: string, _options: unknown, callback: (error: null, found: unknown) => void) => {
      asked += 1;
      callback(null, [{ address: asked === 1 ? '127.0.0.1' : '127.0.0.9', family: 4 }]);
    };
    const guard = guardWith(rebinding, ['127.0.0.1']);
    const socket = await dial({ host: 'rebound.test', port, guard, timeoutMs: 5000 });
    assert.equal(socket.remoteAddress, '127.0.0.1');
    assert.equal(asked, 1);
    socket.destroy();
    const second = await fault(dial({ host: 'rebound.test', port, guard, timeoutMs: 5000 }));
    assert.equal(second.code, 'egress-refused');
    assert.equal(accepted, 1);
  });

  it('A05: leaves out the forbidden ones of a mixed set, in whatever order they come', async () => {
    for (const addresses of [
      ['127.0.0.9', '127.0.0.1'],
      ['127.0.0.1', '127.0.0.9'],
    ]) {
      const guard = guardWith(answering(...addresses), ['127.0.0.1']);
      const socket = await dial({ host: 'mixed.test', port, guard, timeoutMs: 5000 });
      assert.equal(socket.remoteAddress, '127.0.0.1');
      socket.destroy();
    }
  });

  it('goes on to the next address where one refuses', async () => {
    const guard = guardWith(answering('127.0.0.9', '127.0.0.1'));
    const socket = await dial({ host: 'registry.test', port, guard, timeoutMs: 5000 });
    assert.equal(socket.remoteAddress, '127.0.0.1');
    socket.destroy();
  });

  it('H07: takes the family that works: IPv6 alone, or where IPv4 leads nowhere', async () => {
    const six = net.createServer((socket) => socket.on('error', () => undefined)).listen(0, '::1');
    await once(six, 'listening');
    const sixPort = (six.address() as AddressInfo).port;
    for (const addresses of [['::1'], ['127.0.0.9', '::1'], ['127.0.0.9', '127.0.0.1', '::1']]) {
      const guard = guardWith(answering(...addresses));
      const socket = await dial({ host: 'registry.test', port: sixPort, guard, timeoutMs: 5000 });
      assert.equal(socket.remoteAddress, '::1');
      socket.destroy();
    }
    six.close();
    await once(six, 'close');
  });

  it('A01, A05: sends no packet to a refused address, literal or looked up', async () => {
    const literal = await fault(dial({ host: '127.0.0.1', port, guard: guardWith(undefined, []), timeoutMs: 5000 }));
    const named = await fault(
      dial({ host: 'evil.test', port, guard: guardWith(answering('127.0.0.1'), []), timeoutMs: 5000 }),
    );
    assert.equal(literal.code, 'egress-refused');
    assert.equal(named.code, 'egress-refused');
    assert.equal(accepted, 0);
  });

  it('names host and cause of a refused connection', async () => {
    const unused = net.createServer().listen(0, '127.0.0.1');
    await once(unused, 'listening');
    const closedPort = (unused.address() as AddressInfo).port;
    unused.close();
    await once(unused, 'close');
    for (const addresses of [['127.0.0.1'], ['127.0.0.1', '127.0.0.9']]) {
      const guard = guardWith(answering(...addresses));
      const error = await fault(dial({ host: 'down.test', port: closedPort, guard, timeoutMs: 5000 }));
      assert.equal(error.code, 'upstream-connect');
      assert.equal(error.message, `down.test:${closedPort} cannot be reached: the connection was refused.`);
    }
  });

  it('tells a name that does not exist from a name server that is silent', async () => {
    for (const [code, words] of [
      ['ENOTFOUND', 'the name does not exist'],
      ['EAI_AGAIN', 'the name server does not answer'],
    ]) {
      const failing = (_name: string, _options: unknown, callback: (error: Error) => void) =>
        callback(Object.assign(new Error('dns'), { code }));
      const error = await fault(dial({ host: 'none.test', port: 443, guard: guardWith(failing), timeoutMs: 5000 }));
      assert.equal(error.code, 'upstream-dns');
      assert.equal(error.message, `none.test:443 cannot be reached: ${words}.`);
    }
  });

  it('A16: gives up after its time limit, name resolution included', async () => {
    const guard = guardWith(() => undefined);
    const error = await fault(dial({ host: 'slow.test', port: 443, guard, timeoutMs: 20 }));
    assert.equal(error.code, 'upstream-timeout');
    assert.match(error.message, /slow\.test:443 .* within 20 ms/);
  });

  it('gives up when the client goes, before or during the attempt', async () => {
    const guard = guardWith(() => undefined);
    const leaving = new AbortController();
    const during = fault(dial({ host: 'slow.test', port: 443, guard, timeoutMs: 5000, signal: leaving.signal }));
    leaving.abort();
    assert.equal((await during).code, 'client-gone');
    const before = await fault(dial({ host: 'slow.test', port: 443, guard, timeoutMs: 5000, signal: leaving.signal }));
    assert.equal(before.code, 'client-gone');
  });
});
