import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configPrint } from '../../src/cli/config-print.js';
import { OPTIONS } from '../../src/config/option-table.js';
import { createTempDir } from '../support/temp-dir.js';
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

  it('prints what is configured for single registries', async () => {
    await using folder = await createTempDir();
    const config = join(folder.path, 'c.yaml');
    await writeFile(config, 'registries:\n  "*.corp.example": {ca: ca.pem}\n  old.example: {insecure: true}\n');
    const table = createFakeIo();
    await configPrint.run({ flags: { config }, json: false }, table);
    const lines = table.written.out.split('\n');
    const [corp, old] = ['*.corp.example', 'old.example'].map((name) =>
      lines.find((line) => line.startsWith(`${name} `)),
    );
    assert.match(corp ?? '', /c\.yaml:2 .*ca=\S*\/ca\.pem$/);
    assert.match(old ?? '', /c\.yaml:3 .*insecure$/);
    const asJson = createFakeIo();
    await configPrint.run({ flags: { config }, json: true }, asJson);
    const { registries } = JSON.parse(asJson.written.out) as { registries: Record<string, { value: object }> };
    assert.deepEqual(registries['old.example']?.value, { insecure: true });
  });
});
