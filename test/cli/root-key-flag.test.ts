import assert from 'node:assert/strict';
import { rootKeyFile } from '../../src/cli/root-key-flag.js';
import { ConfigError } from '../../src/errors.js';

describe('cli/root-key-flag', () => {
  it('is a path as seen from the working folder', () => {
    assert.equal(rootKeyFile({ 'root-key': 'usb/root.key' }, { cwd: '/work' }), '/work/usb/root.key');
    assert.equal(rootKeyFile({ 'root-key': '/media/root.key' }, { cwd: '/work' }), '/media/root.key');
  });

  it('is needed', () => {
    for (const own of [{}, { 'root-key': '' }]) assert.throws(() => rootKeyFile(own, { cwd: '/work' }), ConfigError);
  });
});
