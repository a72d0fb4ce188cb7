import assert from 'node:assert/strict';
import { escapeControls, type LogFields, pickLogFields, truncate } from '../../src/telemetry/log-fields.js';

describe('telemetry/log-fields', () => {
  it('drops fields that are not on the list (F05)', () => {
    const fields = { id: 'x1', status: 200, authorization: 'Bearer abc', headers: { cookie: 'c' } } as LogFields;
    assert.deepEqual(pickLogFields(fields), { id: 'x1', status: 200 });
  });

  it('drops values of another type than the field has', () => {
    const fields = { id: { token: 'abc' }, bytes: '12', ms: 3 } as unknown as LogFields;
    assert.deepEqual(pickLogFields(fields), { ms: 3 });
  });

  it('does not read inherited fields', () => {
    assert.deepEqual(pickLogFields(Object.create({ id: 'x1' }) as LogFields), {});
  });

  it('leaves a string of 2 KiB alone and cuts a longer one between characters (F06)', () => {
    assert.equal(truncate('a'.repeat(2048)), 'a'.repeat(2048));
    assert.equal(truncate('a'.repeat(2049)), `${'a'.repeat(2045)}…`);
    const cut = truncate('😀'.repeat(1000));
    assert.ok(Buffer.byteLength(cut) <= 2048);
    assert.match(cut, /^(?:😀)+…$/u);
  });

  it('writes control characters and direction marks as escapes (F06)', () => {
    assert.equal(escapeControls('a\u001b[31m\nb\u0085c\u202ed é'), 'a\\u{1b}[31m\\u{a}b\\u{85}c\\u{202e}d é');
  });
});
