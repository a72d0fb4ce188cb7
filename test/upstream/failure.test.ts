import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import { upstreamFailure } from '../../src/upstream/failure.js';

function coded(code: string, message = 'words of the system'): Error {
  return Object.assign(new Error(message), { code });
}

describe('upstream/failure', () => {
  const table = [
    ['ENOTFOUND', 'upstream-dns'],
    ['EAI_AGAIN', 'upstream-dns'],
    ['ECONNREFUSED', 'upstream-connect'],
    ['EHOSTUNREACH', 'upstream-connect'],
    ['ETIMEDOUT', 'upstream-timeout'],
    ['UND_ERR_HEADERS_TIMEOUT', 'upstream-timeout'],
    ['UND_ERR_BODY_TIMEOUT', 'upstream-timeout'],
    ['ECONNRESET', 'upstream-truncated'],
    ['UND_ERR_SOCKET', 'upstream-truncated'],
    ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'upstream-truncated'],
    ['UND_ERR_HEADERS_OVERFLOW', 'upstream-protocol'],
    ['HPE_INVALID_CONSTANT', 'upstream-protocol'],
    ['CERT_HAS_EXPIRED', 'upstream-tls'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'upstream-tls'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'upstream-tls'],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'upstream-tls'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'upstream-tls'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'upstream-tls'],
    ['EPROTO', 'upstream-tls'],
    ['ESOMETHINGNEW', 'upstream-connect'],
  ] as const;
  for (const [system, code] of table) {
    it(`takes ${system} for ${code}, and names the host`, () => {
      const fault = upstreamFailure(coded(system), 'registry.test');
      assert.deepEqual([fault.code, fault.source], [code, 'upstream']);
      assert.match(fault.message, /^registry\.test: /);
    });
  }

  it('names the code of a certificate that was not accepted', () => {
    assert.match(upstreamFailure(coded('CERT_HAS_EXPIRED'), 'h').message, /CERT_HAS_EXPIRED/);
  });

  it('looks at the first of several addresses', () => {
    const error = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]);
    assert.equal(upstreamFailure(error, 'h').code, 'upstream-connect');
    assert.match(upstreamFailure(error, 'h').message, /refused/);
  });

  it('leaves faults that are known already as they are, wrapped ones too', () => {
    const known = new ProxyError('egress-refused', 'closed');
    assert.equal(upstreamFailure(known, 'h'), known);
    assert.equal(upstreamFailure(new Error('outer', { cause: known }), 'h'), known);
  });

  it('takes what is not even an error', () => {
    assert.equal(upstreamFailure('text', 'h').message, 'h: text');
  });
});
