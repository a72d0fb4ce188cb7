import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../../src/cli/run.js';
import { createFakeIo } from './fake-io.js';

describe('cli/run', () => {
  it('gives 0 and prints to standard output', async () => {
    const io = createFakeIo();
    assert.equal(await run(['--version'], io, 100), 0);
    assert.match(io.written.out, /^\d+\.\d+\.\d+\n$/);
    assert.equal(io.written.error, '');
  });

  it('runs the command', async () => {
    const io = createFakeIo();
    assert.equal(await run(['config', 'check', '--drain', '1s'], io, 100), 0);
    assert.equal(io.written.out, 'The configuration is valid.\n');
  });

  it('gives 2 and one line for each wrong option', async () => {
    const io = createFakeIo();
    assert.equal(await run(['config', 'check', '--drain', 'x', '--access', 'y'], io, 100), 2);
    assert.match(io.written.error, /^entrepot: --access: "y" .*\nentrepot: --drain: "x" .*\n$/);
    assert.equal(io.written.out, '');
  });

  it('tells of unknown flags and wrong values at once', async () => {
    const io = createFakeIo({ env: { HOME: '/home/u', ENTREPOT_DRAIN: 'x' } });
    const argv = ['serve', '--foo', '1', '--acces', 'open', '--access', 'maybe', '--listen', 'bad'];
    assert.equal(await run(argv, io, 100), 2);
    const told = io.written.error.split('\n').map((line) => line.split(' ').slice(0, 2).join(' '));
    assert.deepEqual(told.toSorted(), [
      '',
      'entrepot: --acces',
      'entrepot: --access:',
      'entrepot: --foo',
      'entrepot: --listen:',
      'entrepot: ENTREPOT_DRAIN:',
    ]);
    assert.match(io.written.error, /--acces is no option here\. Did you mean --access\?/);
  });

  it('gives 2 for an unknown flag alone, and runs nothing', async () => {
    const io = createFakeIo();
    assert.equal(await run(['config', 'check', '--foo'], io, 100), 2);
    assert.deepEqual(io.written, { out: '', error: 'entrepot: --foo is no option here.\n' });
  });

  it('gives 2 for bad usage', async () => {
    const io = createFakeIo();
    assert.equal(await run(['frob'], io, 100), 2);
    assert.equal(io.written.error, 'entrepot: frob is no command.\n');
  });

  it('gives 1 and one sentence for what is no matter of configuration', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'entrepot-run-'));
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    const io = createFakeIo();
    const flags = [
      '--listen',
      '127.0.0.1:0',
      '--admin-listen',
      'off',
      '--ca-dir',
      folder,
      '--data-dir',
      path.join(file, 'data'),
    ];
    const code = await run(['serve', ...flags], io, 100);
    rmSync(folder, { recursive: true });
    assert.equal(code, 1);
    assert.match(io.written.error, /^entrepot: .*\n$/);
    assert.equal(io.written.out, '');
  });
});
