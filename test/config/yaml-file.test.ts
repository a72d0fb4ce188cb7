import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readConfigFile } from '../../src/config/yaml-file.js';

describe('config/yaml-file', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-yaml-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function read(text: string): Pick<ReturnType<typeof readConfigFile>, 'entries' | 'problems'> {
    const file = path.join(folder, 'c.yaml');
    writeFileSync(file, text);
    const { entries, problems } = readConfigFile(file);
    return { entries, problems: problems.map((problem) => problem.replace(file, 'c.yaml')) };
  }

  it('keeps values as they are written, with their lines', () => {
    const { entries, problems } = read(
      '# c\nlisten: 127.0.0.1:3128\ngrantTtl: 0\n\ndeny: [a.example, 0x10]\naccess: "open"\nadminListen: off\n',
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(entries, [
      { key: 'listen', value: '127.0.0.1:3128', line: 2 },
      { key: 'grantTtl', value: '0', line: 3 },
      { key: 'deny', value: ['a.example', '0x10'], line: 5 },
      { key: 'access', value: 'open', line: 6 },
      { key: 'adminListen', value: 'off', line: 7 },
    ]);
  });

  it('takes an empty file', () => {
    for (const text of ['', '# nothing\n', '---\n']) assert.deepEqual(read(text), { entries: [], problems: [] });
  });

  it('names file and line of every fault of form', () => {
    assert.deepEqual(read('a: 1\nb:\nc: {d: 1}\ne: [[1]]\nf: [null]\n').problems, [
      'c.yaml:2: b needs a value, or a list of values.',
      'c.yaml:3: c needs a value, or a list of values.',
      'c.yaml:4: e needs a value, or a list of values.',
      'c.yaml:5: f needs a value, or a list of values.',
    ]);
    assert.match(read('a: 1\na: 2\n').problems.join(), /^c\.yaml:2: .*unique/);
    assert.match(read('a: 1\n  b: [\n').problems.join(), /^c\.yaml:\d: /);
    assert.deepEqual(read('- a\n').problems, ['c.yaml:1: expected options as “key: value” lines.']);
  });

  it('reads groups below the key that has them', () => {
    const file = path.join(folder, 'groups.yaml');
    writeFileSync(file, 'listen: a:1\nregistries:\n  "*.a.example":\n    ca: a.pem\n    x: [1, 2]\n  b: {}\n');
    const { entries, groups, problems } = readConfigFile(file, 'registries');
    assert.deepEqual(problems, []);
    assert.deepEqual(entries, [{ key: 'listen', value: 'a:1', line: 1 }]);
    assert.deepEqual(groups, [
      {
        name: '*.a.example',
        line: 3,
        entries: [
          { key: 'ca', value: 'a.pem', line: 4 },
          { key: 'x', value: ['1', '2'], line: 5 },
        ],
      },
      { name: 'b', line: 6, entries: [] },
    ]);
  });

  it('names file and line of every fault within groups', () => {
    const file = path.join(folder, 'faults.yaml');
    writeFileSync(file, 'registries:\n  a: 1\n  b:\n    c: {d: 1}\n    e:\n');
    assert.deepEqual(readConfigFile(file, 'registries').problems, [
      `${file}:2: a needs “key: value” lines below it.`,
      `${file}:4: c needs a value, or a list of values.`,
      `${file}:5: e needs a value, or a list of values.`,
    ]);
  });

  it('follows no alias', () => {
    assert.match(read('a: &x [1]\nb: *x\n').problems.join(), /^c\.yaml:2: b needs a value/);
  });

  it('says why a file cannot be read', () => {
    assert.match(
      readConfigFile(path.join(folder, 'absent.yaml')).problems.join(),
      /absent\.yaml cannot be read: ENOENT/,
    );
    assert.deepEqual(readConfigFile(folder).problems, [`${folder} is not a file.`]);
  });

  it('reads no file that is too large for a configuration', () => {
    assert.match(read(`# ${'x'.repeat(1024 * 1024)}`).problems.join(), /larger than a configuration file can be/);
  });
});
