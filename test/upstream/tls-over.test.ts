import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { tlsOver } from '../../src/upstream/tls-over.js';
import { authority, type Server, serve, testTrust } from './loopback.js';

describe('upstream/tls-over', () => {
  let server: Server;
  afterEach(() => server.close());

  async function connect(names: readonly string[], host: string) {
    server = await serve((_request, response) => response.end(), authority.issue([...names]));
    const raw = net.connect(server.port, '127.0.0.1');
    await once(raw, 'connect');
    return { raw, secured: tlsOver(raw, { host, port: 443, trust: testTrust(), timeoutMs: 5000 }) };
  }

  for (const host of ['registry.test', '127.0.0.1']) {
    it(`takes the certificate of ${host} over a connection that leads there`, async () => {
      const { secured } = await connect([host], host);
      const socket = await secured;
      assert.equal(socket.authorized, true);
      socket.destroy();
    });

    it(`C02: refuses another certificate for ${host}, and closes what is below`, async () => {
      const { raw, secured } = await connect(['other.test'], host);
      await assert.rejects(secured, { code: 'upstream-tls' });
      if (!raw.destroyed) await once(raw, 'close');
      assert.equal(server.seen.length, 0);
    });
  }

  it('gives up on what is closed or silent in the middle of the handshake', async () => {
    server = await serve(() => {});
    for (const answer of [(socket: net.Socket) => socket.destroy(), () => {}]) {
      const odd = net.createServer((socket) => {
        socket.on('error', () => {});
        answer(socket);
      });
      odd.listen(0, '127.0.0.1');
      await once(odd, 'listening');
      const raw = net.connect((odd.address() as net.AddressInfo).port, '127.0.0.1');
      await once(raw, 'connect');
      const secured = tlsOver(raw, { host: 'registry.test', port: 443, trust: testTrust(), timeoutMs: 50 });
      await assert.rejects(secured, (error: { code?: string }) =>
        /^upstream-(?:truncated|timeout)$/.test(error.code ?? ''),
      );
      odd.close();
    }
  });
});
