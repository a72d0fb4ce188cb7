import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { mock } from 'node:test';
import { watchRequestBody } from '../../src/proxy/body-watch.js';
import { connectInside } from './raw-client.js';
import { later, startDoor, type TestDoor } from './test-door.js';

const PUT = 'PUT /x HTTP/1.1\r\nHost: registry.test\r\nContent-Length: 4\r\n\r\n';

function watched() {
  const socket = { bytesRead: 100 };
  const request = Object.assign(new EventEmitter(), { socket, readableLength: 0, complete: false });
  let stalls = 0;
  watchRequestBody(request as unknown as IncomingMessage, 1000, () => {
    stalls += 1;
  });
  return { socket, request, stalls: () => stalls };
}

describe('proxy/body-watch', () => {
  let door: TestDoor | undefined;
  afterEach(async () => {
    await door?.close();
    door = undefined;
  });

  it('D10: answers 408 to a body that stops coming', async () => {
    door = await startDoor({ bodyIdleTimeoutMs: 25 });
    const client = await connectInside(door.port, 'registry.test:443', door.ca);
    client.send(`${PUT}12`);
    assert.match(await client.closed(), /^HTTP\/1\.1 408 /);
    assert.equal(door?.exchanges[0]?.signal.aborted, false);
    assert.match(door?.told.at(-1) ?? '', /^refused client-stalled /);
  });

  describe('with a clock of its own', () => {
    beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
    afterEach(() => mock.timers.reset());

    it('lets a body take as long as it likes while it comes', () => {
      const { socket, stalls } = watched();
      for (let i = 0; i < 100; i += 1) {
        socket.bytesRead += 1;
        mock.timers.tick(1000);
      }
      assert.equal(stalls(), 0);
      mock.timers.tick(1000);
      assert.equal(stalls(), 1);
      mock.timers.tick(10_000);
      assert.equal(stalls(), 1);
    });

    it('stops looking when the body has ended or its connection is closed', () => {
      for (const event of ['end', 'close']) {
        const { request, stalls } = watched();
        request.emit(event);
        mock.timers.tick(10_000);
        assert.equal(stalls(), 0);
      }
    });
  });

  it('does not blame the client while nobody takes what it sent', async () => {
    const { promise, tell } = later();
    door = await startDoor({
      bodyIdleTimeoutMs: 20,
      handler: async ({ request, reply }) => {
        await promise;
        for await (const bytes of request.body) assert.ok(bytes);
        reply.head(201, ['Content-Length', '0']);
        await reply.end();
      },
    });
    const client = await connectInside(door.port, 'registry.test:443', door.ca);
    client.send(`${PUT}12`);
    // Another upload that stalls shows that the time is up.
    const other = await connectInside(door.port, 'registry.test:443', door.ca);
    other.send(PUT);
    assert.match(await other.closed(), /^HTTP\/1\.1 408 /);
    client.send('34');
    tell();
    assert.match(await client.until(/\r\n\r\n/), /^HTTP\/1\.1 201 /);
    client.destroy();
  });
});
