import assert from 'node:assert/strict';
import { listOf, objectOf, shared } from '../../src/admin/schemas.js';

describe('admin/schemas', () => {
  it('makes objects of exactly these properties, some of which may be missing', () => {
    const text = { type: 'string' };
    assert.deepEqual(objectOf({ a: text, 'b?': text }), {
      type: 'object',
      additionalProperties: false,
      required: ['a'],
      properties: { a: text, b: text },
    });
  });

  it('names shared schemas, and lists', () => {
    assert.deepEqual(listOf(shared('Blob')), { type: 'array', items: { $ref: 'Blob#' } });
  });
});
