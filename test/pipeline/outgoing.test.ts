import assert from 'node:assert/strict';
import { forwardedHeaders, wholeContentHeaders } from '../../src/pipeline/outgoing.js';

const client = [
  ...['Accept', 'a/b', 'Accept', 'c/d', 'Authorization', 'Bearer x', 'Range', 'bytes=1-', 'If-None-Match', '"x"'],
  ...['If-Range', '"x"', 'Accept-Encoding', 'gzip', 'Connection', 'keep-alive, X-Hop', 'X-Hop', '1'],
  ...['Proxy-Authorization', 'Basic secret', 'User-Agent', 'test'],
];

describe('pipeline/outgoing', () => {
  it('passes on everything of the client but what belongs to its connection, and adds Via', () => {
    assert.deepEqual(forwardedHeaders(client, 'id'), [
      ...['Accept', 'a/b', 'Accept', 'c/d', 'Authorization', 'Bearer x', 'Range', 'bytes=1-', 'If-None-Match', '"x"'],
      ...['If-Range', '"x"', 'Accept-Encoding', 'gzip', 'User-Agent', 'test', 'Via', '1.1 entrepot-id'],
    ]);
  });

  it('asks for the whole, plain content where the answer may be stored', () => {
    assert.deepEqual(wholeContentHeaders(client, 'id'), [
      ...['Accept', 'a/b', 'Accept', 'c/d', 'Authorization', 'Bearer x', 'User-Agent', 'test'],
      ...['Accept-Encoding', 'identity', 'Via', '1.1 entrepot-id'],
    ]);
  });
});
