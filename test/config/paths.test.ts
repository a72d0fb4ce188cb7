import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { defaultCaDir, defaultDataDir, PACKAGE_ROOT } from '../../src/config/paths.js';

describe('config/paths', () => {
  it('finds the folder of package.json', () => {
    assert.ok(existsSync(path.join(PACKAGE_ROOT, 'package.json')));
    assert.equal(defaultCaDir(), path.join(PACKAGE_ROOT, 'ca'));
  });

  it('keeps data where XDG says, and ignores a relative path there', () => {
    assert.equal(defaultDataDir({ XDG_STATE_HOME: '/state', HOME: '/home/u' }), '/state/entrepot');
    assert.equal(defaultDataDir({ XDG_STATE_HOME: 'state', HOME: '/home/u' }), '/home/u/.local/state/entrepot');
    assert.equal(defaultDataDir({ XDG_STATE_HOME: '', HOME: '/home/u' }), '/home/u/.local/state/entrepot');
  });

  it('asks the system for the home folder where the environment names none', () => {
    assert.equal(defaultDataDir({}), path.join(homedir(), '.local/state/entrepot'));
  });
});
