import assert from 'node:assert/strict';
import { configCheck } from '../../src/cli/config-check.js';
import { ConfigError } from '../../src/errors.js';
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
});
