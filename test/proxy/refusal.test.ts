import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { ProxyError } from '../../src/errors.js';
import { refusalBody, refusalOf, writeRefusal } from '../../src/proxy/refusal.js';

describe('proxy/refusal', () => {
  it('is error JSON of the distribution spec with the request id', () => {
    const refusal = refusalOf(new ProxyError('denied', 'no "entry"'), 'id-1');
    assert.deepEqual(JSON.parse(refusalBody(refusal).toString()), {
      errors: [{ code: 'DENIED', message: 'no "entry"', detail: { requestId: 'id-1' } }],
    });
  });

  it('keeps the words of other errors to itself', () => {
    const refusal = refusalOf(new Error('ENOENT: /data/secret'), 'id-1');
    assert.deepEqual(refusal, { status: 500, message: 'The proxy has failed.', requestId: 'id-1' });
  });

  for (const [status, code] of [
    [400, 'UNSUPPORTED'],
    [403, 'DENIED'],
    [421, 'DENIED'],
    [500, 'UNKNOWN'],
    [502, 'UNAVAILABLE'],
    [504, 'UNAVAILABLE'],
  ] as const) {
    it(`calls ${status} ${code}`, () => {
      const body = JSON.parse(refusalBody({ status, message: 'm', requestId: 'i' }).toString());
      assert.equal(body.errors[0].code, code);
    });
  }

  it('is written to a bare socket as a whole answer, and the socket closed', async () => {
    const socket = new PassThrough();
    const pieces: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => pieces.push(bytes));
    writeRefusal(socket, { status: 502, message: 'registry.test is down', requestId: 'id-2' });
    await once(socket, 'close');
    const [head = '', body = ''] = Buffer.concat(pieces).toString().split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
    assert.match(head, /\r\nConnection: close$/);
    assert.match(head, new RegExp(`\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`));
    assert.equal(JSON.parse(body).errors[0].detail.requestId, 'id-2');
  });

  it('leaves a socket that is gone alone', () => {
    const socket = new PassThrough();
    socket.destroy();
    writeRefusal(socket, { status: 502, message: 'm', requestId: 'i' });
    assert.equal(socket.writableLength, 0);
  });
});
