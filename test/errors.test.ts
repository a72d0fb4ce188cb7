import assert from 'node:assert/strict';
import { asProxyError, ConfigError, FAULT_CODES, ProxyError } from '../src/errors.js';

describe('errors', () => {
  it('gives every fault a status of HTTP and somebody to blame', () => {
    for (const code of FAULT_CODES) {
      const { status, source } = new ProxyError(code, 'm');
      assert.ok(status >= 400 && status <= 599, code);
      assert.ok(['downstream', 'upstream', 'internal'].includes(source), code);
    }
  });

  it('blames upstream with 502 or 504 and clients with 4xx, but for the loop of RFC 5842', () => {
    for (const code of FAULT_CODES) {
      const { status, source } = new ProxyError(code, 'm');
      if (source === 'upstream') assert.ok(status === 502 || status === 504, code);
      if (source === 'downstream' && code !== 'loop') assert.ok(status < 500, code);
    }
  });

  it('leaves a ProxyError as it is', () => {
    const fault = new ProxyError('denied', 'm');
    assert.equal(asProxyError(fault, 'store'), fault);
  });

  it('wraps anything else that was thrown, and keeps it as the cause', () => {
    const cause = new Error('disk');
    const fault = asProxyError(cause, 'store');
    assert.deepEqual([fault.code, fault.message, fault.cause], ['store', 'disk', cause]);
    assert.deepEqual([asProxyError('text').code, asProxyError('text').message], ['internal', 'text']);
  });

  it('tells all problems of a configuration, one a line', () => {
    const error = new ConfigError(['a', 'b']);
    assert.deepEqual(error.problems, ['a', 'b']);
    assert.equal(error.message, 'a\nb');
  });
});
