import assert from 'node:assert/strict';
import { asProxyError, ConfigError, FAULT_CODES, ProxyError } from '../src/errors.js';

describe('errors', () => {
  it('knows for every code who is to blame, and a status that is an error', () => {
    for (const code of FAULT_CODES) {
      const error = new ProxyError(code, 'x');
      assert.match(error.source, /^(downstream|upstream|internal)$/, code);
      assert.ok(error.status >= 400 && error.status < 600, code);
      // A fault of the client is never answered as if the registry had failed, and the other way round.
      if (error.source === 'upstream') assert.match(String(error.status), /^50[24]$/, code);
    }
    assert.equal(new Set(FAULT_CODES).size, FAULT_CODES.length);
  });

  const statuses = [
    ['bad-authority', 'downstream', 400],
    ['denied', 'downstream', 403],
    ['proxy-auth', 'downstream', 407],
    ['misdirected', 'downstream', 421],
    ['headers-too-large', 'downstream', 431],
    ['loop', 'downstream', 508],
    ['overloaded', 'downstream', 503],
    ['upstream-timeout', 'upstream', 504],
    ['upstream-tls', 'upstream', 502],
    ['digest-mismatch', 'upstream', 502],
    ['store', 'internal', 500],
  ] as const;
  for (const [code, source, status] of statuses) {
    it(`answers ${code} with ${status} and blames ${source}`, () => {
      const error = new ProxyError(code, 'words');
      assert.deepEqual(
        [error.source, error.status, error.message, error.name],
        [source, status, 'words', 'ProxyError'],
      );
    });
  }

  it('leaves a ProxyError as it is and takes anything else for the fallback, with its cause', () => {
    const known = new ProxyError('loop', 'round and round');
    assert.equal(asProxyError(known, 'store'), known);
    const cause = new TypeError('no such thing');
    const wrapped = asProxyError(cause, 'store');
    assert.deepEqual([wrapped.code, wrapped.message, wrapped.cause], ['store', 'no such thing', cause]);
    assert.deepEqual([asProxyError('text').code, asProxyError('text').message], ['internal', 'text']);
  });

  it('tells all problems of a configuration at once', () => {
    const error = new ConfigError(['one is wrong', 'two is wrong']);
    assert.deepEqual(error.problems, ['one is wrong', 'two is wrong']);
    assert.equal(error.message, 'one is wrong\ntwo is wrong');
  });
});
