import assert from 'node:assert/strict';
import { environmentName, fileKey, isList, isPath, OPTION_NAMES, OPTIONS } from '../../src/config/option-table.js';

describe('config/option-table', () => {
  it('derives variable and key from the name', () => {
    assert.equal(environmentName('admin-listen'), 'ENTREPOT_ADMIN_LISTEN');
    assert.equal(fileKey('link-max-age'), 'linkMaxAge');
  });

  it('gives every option a name, a variable and a key of its own', () => {
    for (const names of [OPTION_NAMES, OPTION_NAMES.map(environmentName), OPTION_NAMES.map(fileKey)]) {
      assert.equal(new Set(names).size, OPTIONS.length);
    }
  });

  it('knows which options are lists and which are paths', () => {
    assert.ok(isList('upstream-ca') && isPath('upstream-ca'));
    assert.ok(isPath('data-dir') && !isList('data-dir'));
    assert.ok(isList('deny') && !isPath('deny'));
    assert.ok(!isList('listen') && !isPath('listen'));
  });
});
