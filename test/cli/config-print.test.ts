import assert from 'node:assert/strict';
import { configPrint } from '../../src/cli/config-print.js';
import { OPTIONS } from '../../src/config/option-table.js';
import { createFakeIo } from './fake-io.js';

describe('cli/config-print', () => {
  const flags = { 'data-dir': 'data', deny: 'a.example, b.example' };

  it('prints every option with its origin and value', async () => {
    const io = createFakeIo({ env: { ENTREPOT_GRANT_TTL: '5s' } });
    assert.equal(await configPrint.run({ flags, json: false }, io), 0);
    const lines = io.written.out.trimEnd().split('\n');
    assert.equal(lines.length, OPTIONS.length);
    const rows = new Map(lines.map((line) => [line.split(/ +/)[0], line.split(/ +/).slice(1)]));
    assert.deepEqual(rows.get('data-dir'), ['--data-dir', '/work/data']);
    assert.deepEqual(rows.get('deny'), ['--deny', 'a.example,b.example']);
    assert.deepEqual(rows.get('grant-ttl'), ['ENTREPOT_GRANT_TTL', '5s']);
    assert.deepEqual(rows.get('drain'), ['default', '30s']);
  });

  it('prints the keys of the file as JSON', async () => {
    const io = createFakeIo();
    assert.equal(await configPrint.run({ flags, json: true }, io), 0);
    const printed = JSON.parse(io.written.out) as Record<string, { value: unknown; origin: string }>;
    assert.deepEqual(printed['dataDir'], { value: '/work/data', origin: '--data-dir' });
    assert.deepEqual(printed['deny'], { value: ['a.example', 'b.example'], origin: '--deny' });
    assert.equal(Object.keys(printed).length, OPTIONS.length);
  });
});
