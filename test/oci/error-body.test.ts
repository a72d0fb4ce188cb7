import assert from 'node:assert/strict';
import { headerValue } from '../../src/http/headers.js';
import { errorBody } from '../../src/oci/error-body.js';

describe('oci/error-body', () => {
  it('has the form that registry clients print', () => {
    const { headers, body } = errorBody(403, 'host is denied by --deny', 'r-1');
    assert.deepEqual(JSON.parse(body.toString()), {
      errors: [{ code: 'DENIED', message: 'host is denied by --deny', detail: { requestId: 'r-1' } }],
    });
    assert.equal(headerValue(headers, 'content-type'), 'application/json');
    assert.equal(headerValue(headers, 'content-length'), String(body.length));
  });

  it('says when to come back where there was too much to do', () => {
    assert.equal(headerValue(errorBody(503, 'too much', 'r-1').headers, 'retry-after'), '5');
    assert.equal(headerValue(errorBody(502, 'down', 'r-1').headers, 'retry-after'), undefined);
  });

  it('measures its length in bytes', () => {
    const { headers, body } = errorBody(502, 'café', 'r-1');
    assert.equal(headerValue(headers, 'content-length'), String(body.length));
  });

  for (const [status, code] of [
    [400, 'UNSUPPORTED'],
    [401, 'UNAUTHORIZED'],
    [407, 'UNAUTHORIZED'],
    [421, 'UNSUPPORTED'],
    [429, 'TOOMANYREQUESTS'],
    [431, 'UNSUPPORTED'],
    [500, 'UNKNOWN'],
    [502, 'UNAVAILABLE'],
    [503, 'UNAVAILABLE'],
    [504, 'UNAVAILABLE'],
    [508, 'UNAVAILABLE'],
  ] as const) {
    it(`calls ${status} ${code}`, () => {
      assert.match(errorBody(status, 'm', 'r').body.toString(), new RegExp(`"code":"${code}"`));
    });
  }

  it('takes a code of the caller', () => {
    assert.match(errorBody(404, 'm', 'r', 'MANIFEST_UNKNOWN').body.toString(), /"code":"MANIFEST_UNKNOWN"/);
  });

  it('cuts a message that has no end', () => {
    assert.ok(errorBody(502, 'x'.repeat(1e6), 'r').body.length < 4096);
  });
});
