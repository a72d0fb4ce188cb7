import assert from 'node:assert/strict';
import { describeBadRequest } from '../../src/admin/bad-request.js';
import type { AdminRoute } from '../../src/admin/route.js';
import { objectOf } from '../../src/admin/schemas.js';

const ROUTE: AdminRoute = {
  method: 'POST',
  path: '/x',
  summary: 'x',
  query: { limit: { type: 'integer', description: 'a small number' }, plain: { type: 'string' } },
  body: objectOf({ 'size?': { type: 'integer', description: 'a size' } }),
  answers: {},
  run: async () => ({}),
};

describe('admin/bad-request', () => {
  it('says what a value is to be, by its description or else as the validator does', () => {
    const complaint = { keyword: 'type', instancePath: '/limit', message: 'must be integer', params: {} };
    assert.equal(describeBadRequest(ROUTE, 'querystring', complaint), 'limit must be a small number.');
    const plain = { ...complaint, instancePath: '/plain', message: 'must be string' };
    assert.equal(describeBadRequest(ROUTE, 'querystring', plain), 'plain must be string.');
    const inside = { ...complaint, instancePath: '/size' };
    assert.equal(describeBadRequest(ROUTE, 'body', inside), 'size must be a size.');
  });

  it('names what is unknown and what is missing, and cuts what is long', () => {
    const unknown = (name: string) => ({
      keyword: 'additionalProperties',
      instancePath: '',
      params: { additionalProperty: name },
    });
    assert.equal(describeBadRequest(ROUTE, 'body', unknown('Size')), '"Size" is unknown here; this takes size.');
    assert.equal(describeBadRequest(ROUTE, 'params', unknown('x')), '"x" is unknown here; this takes nothing.');
    assert.ok(describeBadRequest(ROUTE, 'body', unknown('a'.repeat(9_000))).length < 200);
    const missing = { keyword: 'required', instancePath: '', params: { missingProperty: 'size' } };
    assert.equal(describeBadRequest(ROUTE, 'body', missing), 'size is missing.');
  });

  it('says what the whole is to be', () => {
    const complaint = { keyword: 'type', instancePath: '', message: 'must be object', params: {} };
    assert.equal(describeBadRequest(ROUTE, 'body', complaint), 'The body must be object; this takes size.');
  });
});
