import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { ProxyError } from '../../src/errors.js';
import { piecesOf, relay, relayedHeaders } from '../../src/pipeline/relay.js';
import { recordReply } from './recorded-reply.js';

function response(body: Iterable<unknown> | AsyncIterable<unknown>, headers: readonly string[] = []) {
  const made = {
    status: 200,
    headers,
    body: Readable.from(body),
    discarded: 0,
    discard: () => void (made.discarded += 1),
  };
  return made;
}

async function* broken(): AsyncGenerator<Buffer> {
  yield Buffer.from('half');
  throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
}

describe('pipeline/relay', () => {
  const options = { host: 'registry.test', status: undefined, onBytes: () => {} };

  it('leaves out what belongs to the connection and what would lead clients past us', () => {
    const headers = [
      'Connection',
      'X-Hop',
      'X-Hop',
      '1',
      'Alt-Svc',
      'h3=":443"',
      'ETag',
      '"x"',
      'Transfer-Encoding',
      'chunked',
    ];
    assert.deepEqual(relayedHeaders(headers, undefined), ['ETag', '"x"']);
    assert.deepEqual(relayedHeaders(headers, { hit: true }), ['ETag', '"x"', 'Cache-Status', 'entrepot; hit']);
  });

  it('passes status, headers and body on, and counts the bytes', async () => {
    const reply = recordReply();
    let counted = 0;
    const upstream = response([Buffer.from('one'), Buffer.from('two')], ['X-A', 'b', 'Content-Length', '6']);
    await relay({ ...upstream, status: 418 }, reply, { ...options, onBytes: (bytes) => void (counted += bytes) });
    assert.deepEqual([reply.status, reply.text, reply.state, counted], [418, 'onetwo', 'ended', 6]);
    assert.deepEqual(reply.headers, ['X-A', 'b', 'Content-Length', '6']);
  });

  it('never ends cleanly what the upstream broke off, and names the host', async () => {
    const reply = recordReply();
    const upstream = response(broken());
    await assert.rejects(relay(upstream, reply, options), (error) => {
      return (
        error instanceof ProxyError && error.code === 'upstream-truncated' && error.message.includes('registry.test')
      );
    });
    assert.deepEqual([reply.text, reply.state, upstream.discarded], ['half', 'open', 1]);
  });

  it('throws the rest away when the client leaves', async () => {
    const upstream = response([Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]);
    await assert.rejects(relay(upstream, recordReply({ leaveAfterBytes: 1 }), options), { code: 'client-gone' });
    assert.deepEqual([upstream.discarded, upstream.body.destroyed], [1, true]);
  });

  it('gives pieces as they come', async () => {
    const pieces: string[] = [];
    for await (const piece of piecesOf(response([Buffer.from('a'), Buffer.from('b')]), 'h'))
      pieces.push(piece.toString());
    assert.deepEqual(pieces, ['a', 'b']);
  });

  it('leaves no body unread where the head cannot be passed on', async () => {
    const answer = response(['body']);
    const reply = recordReply();
    reply.head = () => {
      throw new ProxyError('upstream-protocol', 'no such length');
    };
    await assert.rejects(relay(answer, reply, options), { code: 'upstream-protocol' });
    assert.equal(answer.discarded, 1);
  });
});
