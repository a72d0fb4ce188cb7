import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configCheck } from '../../src/cli/config-check.js';
import { ConfigError } from '../../src/errors.js';
import { createTempDir } from '../support/temp-dir.js';
import { createFakeIo } from './fake-io.js';

describe('cli/config-check', () => {
  it('says that a configuration is valid', async () => {
    const io = createFakeIo({ env: { ENTREPOT_DRAIN: '5s' } });
    assert.equal(await configCheck.run({ flags: { deny: '*.example' }, json: false }, io), 0);
    assert.equal(io.written.out, 'The configuration is valid.\n');
  });

  it('gives all problems otherwise', async () => {
    const io = createFakeIo({ env: { ENTREPOT_DRAIN: '5' } });
    await assert.rejects(configCheck.run({ flags: { access: 'no' }, json: false }, io), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.problems.length, 2);
      return true;
    });
    assert.equal(io.written.out, '');
  });

  it('looks into the files of certificates too, all of them', async () => {
    await using folder = await createTempDir();
    const config = join(folder.path, 'c.yaml');
    await writeFile(config, 'upstreamCa: a.pem\nregistries:\n  a.example: {ca: b.pem}\n  b.example: {ca: c.yaml}\n');
    await assert.rejects(configCheck.run({ flags: { config }, json: false }, createFakeIo()), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /a\.pem cannot be read[^]*b\.pem cannot be read[^]*c\.yaml holds no PEM certificate/);
      return error.problems.length === 3;
    });
  });
});
