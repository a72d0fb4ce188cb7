import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import tls, { type TLSSocket } from 'node:tls';
import { ProxyError } from '../../src/errors.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard, type EgressGuard, type EgressGuardOptions } from '../../src/net/egress-guard.js';
import { connectUpstream } from '../../src/upstream/connect.js';
import { createTestAuthority, type TestCertificate } from '../support/test-certificates.js';
import { authority, loopbackGuard, type Server, serve, testTrust } from './loopback.js';

const DAY_MS = 86_400_000;

describe('upstream/connect', () => {
  const options = { guard: loopbackGuard(), trust: testTrust(), timeoutMs: 5000 };
  let server: Server | undefined;

  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  async function start(certificate?: TestCertificate): Promise<Server> {
    server = await serve((_request, response) => response.end('hello'), certificate);
    return server;
  }

  it('opens plain connections, and TLS that speaks HTTP/1.1 to a name or an address', async () => {
    const plain = await start();
    (await connectUpstream(plain.target(), options)).destroy();
    await plain.close();
    const secure = await start(authority.issue(['registry.test', '127.0.0.1']));
    for (const host of ['registry.test', '127.0.0.1']) {
      const socket = (await connectUpstream(secure.target('https', host), options)) as TLSSocket;
      assert.equal(socket.authorized, true, host);
      assert.equal(socket.servername === 'registry.test', host === 'registry.test');
      socket.destroy();
    }
  });

  const refused: readonly [string, () => TestCertificate][] = [
    ['for another name', () => authority.issue(['other.test'])],
    ['for a name two levels up', () => authority.issue(['*.test.test'])],
    ['that has expired', () => authority.issue(['registry.test'], { validUntil: Date.now() - DAY_MS })],
    ['that is not valid yet', () => authority.issue(['registry.test'], { validFromAt: Date.now() + DAY_MS })],
    ['of an unknown CA', () => createTestAuthority('stranger').issue(['registry.test'])],
    ['that signed itself', () => createTestAuthority('registry.test')],
  ];
  for (const [what, issue] of refused) {
    it(`refuses a certificate ${what}, before any HTTP`, async () => {
      const { target, seen } = await start(issue());
      await assert.rejects(
        connectUpstream(target('https', 'registry.test'), options),
        (error) => error instanceof ProxyError && error.code === 'upstream-tls' && /registry\.test/.test(error.message),
      );
      assert.equal(seen.length, 0);
    });
  }

  it('C08: checks certificates whatever the environment says', async () => {
    const { target } = await start(createTestAuthority('stranger').issue(['registry.test']));
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await assert.rejects(connectUpstream(target('https', 'registry.test'), options), { code: 'upstream-tls' });
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  it('sends no packet to an address, or to a name for one, that the guard refuses', async () => {
    const { target } = await start();
    const strict = { ...options, guard: loopbackGuard([]) };
    for (const host of ['127.0.0.1', 'registry.test']) {
      await assert.rejects(connectUpstream(target('http', host), strict), { code: 'egress-refused' });
    }
    assert.equal(server?.connections, 0);
  });

  /** A guard that allows 127.0.0.1 alone, over a name server that gives these answers in turn. */
  function guardOver(answers: readonly (readonly string[])[]): { guard: EgressGuard; asked: () => number } {
    let asked = 0;
    const resolve = ((_name: string, _options: object, callback: (error: null, found: object[]) => void) => {
      const addresses = answers[asked] ?? [];
      asked += 1;
      callback(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      );
    }) as unknown as NonNullable<EgressGuardOptions['resolve']>;
    const allow = parseRanges(['127.0.0.1/32']);
    const guard = createEgressGuard({ allow, deny: parseRanges([]), ownListeners: () => [], resolve });
    return { guard, asked: () => asked };
  }

  it('A05: dials the address that was checked, and checks again what a name resolves to the next time', async () => {
    const { target } = await start(authority.issue(['registry.test']));
    const trap = net.createServer(() => assert.fail('somebody came')).listen(server?.port, '127.0.0.2');
    await once(trap, 'listening');
    const { guard, asked } = guardOver([['127.0.0.1'], ['127.0.0.2']]);
    const place = target('https', 'registry.test');
    const socket = await connectUpstream(place, { ...options, guard });
    assert.deepEqual([asked(), socket.remoteAddress], [1, '127.0.0.1']);
    socket.destroy();
    await assert.rejects(connectUpstream(place, { ...options, guard }), { code: 'egress-refused' });
    assert.equal(asked(), 2);
    trap.close();
    await once(trap, 'close');
  });

  it('A05: dials of several addresses only those that pass', async () => {
    const { target } = await start();
    const { guard } = guardOver([['127.0.0.2', '169.254.169.254', '127.0.0.1']]);
    const socket = await connectUpstream(target('http', 'registry.test'), { ...options, guard });
    assert.equal(socket.remoteAddress, '127.0.0.1');
    socket.destroy();
  });

  it('says that nobody listens', async () => {
    const { target, close } = await start();
    await close();
    server = undefined;
    await assert.rejects(connectUpstream(target(), options), { code: 'upstream-connect' });
  });

  it('H07: takes the family that works, under TLS too', async () => {
    const { certificatePem: cert, keyPem: key } = authority.issue(['registry.test']);
    const six = tls.createServer({ cert, key }).listen(0, '::1');
    await new Promise((resolve) => six.once('listening', resolve));
    const port = (six.address() as net.AddressInfo).port;
    const resolve = ((_name: string, _options: object, callback: (error: null, found: object[]) => void) =>
      callback(null, [
        { address: '127.0.0.9', family: 4 },
        { address: '::1', family: 6 },
      ])) as unknown as NonNullable<EgressGuardOptions['resolve']>;
    const allow = parseRanges(['127.0.0.0/8', '::1/128']);
    const guard = createEgressGuard({ allow, deny: parseRanges([]), ownListeners: () => [], resolve });
    const socket = await connectUpstream({ scheme: 'https', host: 'registry.test', port }, { ...options, guard });
    assert.equal(socket.remoteAddress, '::1');
    socket.destroy();
    await new Promise((done) => six.close(done));
  });

  it('H04: a handshake has its own time, and the message says which was over', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const target = { scheme: 'https', host: 'registry.test', port } as const;
    await assert.rejects(
      connectUpstream(target, { ...options, timeoutMs: 60_000, tlsMs: 20 }),
      (error) => error instanceof ProxyError && /no TLS handshake within 0\.02 s/.test(error.message),
    );
    await new Promise((resolve) => silent.close(resolve));
  });

  it('C14: gives up on a handshake that does not come', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as net.AddressInfo;
    const target = { scheme: 'https', host: 'registry.test', port } as const;
    await assert.rejects(connectUpstream(target, { ...options, timeoutMs: 20 }), { code: 'upstream-timeout' });
    await new Promise((resolve) => silent.close(resolve));
  });

  it('blames TLS where the other side speaks something else', async () => {
    const { target } = await start();
    await assert.rejects(connectUpstream(target('https', 'registry.test'), options), { code: 'upstream-tls' });
  });
});
