import assert from 'node:assert/strict';
import { once } from 'node:events';
import tls from 'node:tls';
import { clientHello, UNKNOWN_CA } from '../support/client-hello.js';
import { connectInside, connectThrough } from './raw-client.js';
import { startDoor, type TestDoor } from './test-door.js';

/** Shakes hands through a CONNECT; gives the secured socket, or undefined where the proxy or the client refuses. */
async function shake(
  door: TestDoor,
  authority: string,
  options: tls.ConnectionOptions,
): Promise<tls.TLSSocket | undefined> {
  const outer = await connectThrough(door.port, authority);
  const secured = tls.connect({
    socket: outer.socket,
    ca: door.ca,
    checkServerIdentity: () => undefined,
    ...options,
  });
  return new Promise((resolve) => {
    secured.on('secureConnect', () => resolve(secured));
    secured.on('error', () => resolve(undefined));
    secured.on('close', () => resolve(undefined));
  });
}

describe('proxy/tls-handover', () => {
  let door: TestDoor;
  afterEach(() => door.close());
  /** Waits until the door has told of its n-th event. */
  const tells = async (count: number) => {
    while (door.told.length < count) await new Promise((resolve) => setImmediate(resolve));
    return door.told.slice(1);
  };

  for (const [what, servername] of [
    ['the name of the CONNECT', 'registry.test'],
    ['another spelling of it', 'Registry.TEST'],
    ['a trailing dot', 'registry.test.'],
    ['no name', ''],
  ] as const) {
    it(`B14: shows the certificate of the CONNECT to a client that sends ${what}`, async () => {
      door = await startDoor();
      const socket = await shake(door, 'registry.test:443', { servername });
      assert.equal(socket?.getPeerCertificate().subjectaltname, 'DNS:registry.test');
      assert.equal(socket?.authorized, true);
      socket?.destroy();
    });
  }

  it('B14: refuses a server name that is not that of the CONNECT', async () => {
    door = await startDoor();
    assert.equal(await shake(door, 'registry.test:443', { servername: 'evil.test' }), undefined);
    assert.deepEqual(await tells(2), ['tls registry.test wrong-name']);
  });

  it('shows an address its own certificate', async () => {
    door = await startDoor();
    const socket = await shake(door, '1.2.3.4:443', {});
    assert.equal(socket?.getPeerCertificate().subjectaltname, 'IP Address:1.2.3.4');
    socket?.destroy();
  });

  it('speaks HTTP/1.1 and nothing else', async () => {
    door = await startDoor();
    const both = await shake(door, 'registry.test:443', { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.equal(both?.alpnProtocol, 'http/1.1');
    both?.destroy();
    assert.equal(await shake(door, 'registry.test:443', { ALPNProtocols: ['h2'] }), undefined);
  });

  it('B18: refuses versions of TLS before 1.2', async () => {
    door = await startDoor();
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    assert.equal(await shake(door, 'registry.test:443', old), undefined);
    assert.deepEqual(await tells(2), ['tls registry.test other']);
  });

  it('B19: tells a client that does not trust our CA from other faults, by host', async () => {
    door = await startDoor();
    // What OpenSSL, Go and Java send: a fatal alert, here written by hand inside a plaintext record.
    const outer = await connectThrough(door.port, 'registry.test:443');
    const hello = await clientHello('registry.test');
    outer.socket.removeAllListeners('data');
    outer.socket.write(hello);
    await once(outer.socket, 'data');
    outer.socket.write(UNKNOWN_CA);
    assert.deepEqual(await tells(2), ['tls registry.test untrusted-ca']);
    outer.destroy();
  });

  it('B18, D10: ends a handshake that takes too long, and one that the client gives up', async () => {
    door = await startDoor({ handshakeTimeoutMs: 30 });
    const silent = await connectThrough(door.port, 'registry.test:443');
    await silent.closed();
    assert.deepEqual(await tells(2), ['tls registry.test timeout']);
    silent.destroy();
    await door.close();
    door = await startDoor();
    const leaving = await connectThrough(door.port, 'registry.test:443');
    leaving.destroy();
    assert.deepEqual(await tells(2), ['tls registry.test closed']);
  });

  it('takes a handshake whose first bytes came with the CONNECT', async () => {
    door = await startDoor();
    const hello = await clientHello('registry.test');
    const early = await connectThrough(door.port, 'registry.test:443', hello);
    // A handshake record: the ServerHello.
    assert.ok((await early.until(/\r\n\r\n[^]/)).includes('\r\n\r\n\x16\x03\x03'));
    early.destroy();
  });

  it('B15: lets a certificate that cannot be made fail the CONNECT and nothing else', async () => {
    const told: string[] = [];
    door = await startDoor({
      leaves: {
        holds: () => false,
        contextFor: () => {
          throw new Error('the CA has expired');
        },
      },
      events: { onRefused: (code, message) => told.push(`${code} ${message}`) },
    });
    await assert.rejects(connectInside(door.port, 'registry.test:443', door.ca), /500 Internal/);
    await assert.rejects(connectInside(door.port, 'registry.test:443', door.ca), /500 Internal/);
    assert.deepEqual(told, ['internal the CA has expired', 'internal the CA has expired']);
  });
});
