import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { caInit } from '../../src/cli/ca-init.js';
import { createFakeIo } from './fake-io.js';

describe('cli/ca-init', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-ca-init-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('makes a CA once, and says that it is there the next time', async () => {
    const given = { flags: { 'ca-dir': 'ca' }, json: false };
    const first = createFakeIo({ cwd: folder });
    assert.equal(await caInit.run(given, first), 0);
    assert.match(
      first.written.out,
      /^The CA has been made\.\nsubject .*\nfingerprintSha256 +(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\n/,
    );

    const second = createFakeIo({ cwd: folder });
    assert.equal(await caInit.run(given, second), 0);
    assert.match(second.written.out, /^There is a CA already; nothing was changed\.\n/);
    assert.equal(second.written.out.split('\n').slice(1).join(), first.written.out.split('\n').slice(1).join());
  });
});
