import assert from 'node:assert/strict';
import { isTlsCode, tlsWords } from '../../src/upstream/tls-failure.js';

describe('upstream/tls-failure', () => {
  it('knows the codes of OpenSSL and of Node', () => {
    const codes = ['CERT_HAS_EXPIRED', 'UNSPECIFIED', 'ERR_SSL_WRONG_VERSION_NUMBER', 'CRL_HAS_EXPIRED', 'EPROTO'];
    assert.deepEqual(codes.filter(isTlsCode), codes);
    assert.deepEqual(['ECONNRESET', 'ENOTFOUND', 'HPE_INVALID_CONSTANT', ''].filter(isTlsCode), []);
  });

  it('says what is wrong and names the code', () => {
    assert.equal(tlsWords('CERT_HAS_EXPIRED', 'x'), 'its certificate has expired (CERT_HAS_EXPIRED)');
    assert.match(tlsWords('ERR_SSL_SOMETHING', 'x'), /not accepted \(ERR_SSL_SOMETHING\)/);
  });

  it('gives the words of OpenSSL where Node has no name for the cause', () => {
    assert.match(tlsWords('UNSPECIFIED', 'EE certificate key too weak'), /\(EE certificate key too weak\)/);
  });
});
