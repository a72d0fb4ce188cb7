import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { breakOff } from '../../src/net/break-off.js';

describe('net/break-off', () => {
  let server: net.Server;
  let socket: Socket;
  let peer: Socket;

  beforeEach(async () => {
    server = net.createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
    await once(socket, 'connect');
    [peer] = (await accepted) as [Socket];
    peer.resume();
  });

  afterEach(async () => {
    peer.destroy();
    server.close();
    await once(server, 'close');
  });

  it('resets a connection, so that what came of it looks like no whole', async () => {
    const broken = once(peer, 'error');
    breakOff(socket);
    const [error] = await broken;
    assert.equal(error.code, 'ECONNRESET');
  });

  it('closes a connection whose end of sending is just going out', async () => {
    const faults: Error[] = [];
    socket.on('error', (error) => faults.push(error));
    socket.end('all there is');
    await new Promise<void>((resolve) => process.nextTick(resolve));
    const closed = once(socket, 'close');
    breakOff(socket);
    await closed;
    assert.deepEqual(faults, []);
  });
});
