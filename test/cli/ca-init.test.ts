import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
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

  it('constrains the CA to the names that it is told', async () => {
    const io = createFakeIo({ cwd: folder });
    const flags = { 'ca-dir': 'constrained', 'ca-name-constraints': 'ghcr.io,10.0.0.0/8' };
    assert.equal(await caInit.run({ flags, json: false }, io), 0);
    assert.match(io.written.out, /permittedNames +ghcr\.io, 10\.0\.0\.0\/8\n/);
  });

  it('B07: makes a root whose key lies outside of the folder, and says to carry it away', async () => {
    const io = createFakeIo({ cwd: folder });
    const own = { 'offline-root': true, 'root-key': 'root.key' } as const;
    assert.equal(await caInit.run({ flags: { 'ca-dir': 'below' }, json: false, own }, io), 0);
    assert.match(
      io.written.out,
      /^The root and its first intermediate have been made\.\nsubject +CN=entrepot root CA /,
    );
    assert.match(
      io.written.out,
      /root\.key\. Carry that file away, delete it here,\nand bring it back for .* before \d{4}-/,
    );
    assert.doesNotMatch(io.written.out, /PRIVATE KEY/);
    assert.ok(existsSync(path.join(folder, 'root.key')));
    assert.deepEqual(readdirSync(path.join(folder, 'below')).sort(), ['ca.crt', 'ca.key']);
  });

  it('takes the place of the root key only together with an offline root', async () => {
    const run = (own: Record<string, string | true>) =>
      caInit.run({ flags: { 'ca-dir': 'none' }, json: false, own }, createFakeIo({ cwd: folder }));
    await assert.rejects(run({ 'root-key': 'x' }), /--root-key goes with --offline-root\./);
    await assert.rejects(run({ 'offline-root': true }), /--root-key FILE is needed/);
    assert.equal(existsSync(path.join(folder, 'none')), false);
  });
});
