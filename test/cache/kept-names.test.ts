import assert from 'node:assert/strict';
import path from 'node:path';
import { isKeptFile, KEPT_SUFFIX, keptStem, newKeptPath, parseKeptName } from '../../src/cache/kept-names.js';
import { digestOf } from '../../src/oci/digest.js';

describe('cache/kept-names', () => {
  const digest = digestOf('sha256', 'ab'.repeat(32));

  it('tells content, scope and length by the name, and never the same name twice', () => {
    const stem = keptStem(digest, 'registry.test team/app');
    const [one, two] = [newKeptPath('/data', stem, 5), newKeptPath('/data', stem, 5)];
    assert.notEqual(one, two);
    assert.equal(path.dirname(one), '/data/spool');
    assert.deepEqual({ ...parseKeptName(path.basename(one)) }, { stem, expectedBytes: 5 });
    assert.deepEqual(
      { ...parseKeptName(path.basename(newKeptPath('/data', stem, undefined))) },
      { stem, expectedBytes: undefined },
    );
  });

  it('has another stem for every digest and every scope', () => {
    const other = digestOf('sha512', 'ab'.repeat(64));
    const stems = [keptStem(digest, 'a'), keptStem(digest, 'b'), keptStem(other, 'a')];
    assert.equal(new Set(stems).size, 3);
    for (const stem of stems) assert.equal(parseKeptName(path.basename(newKeptPath('/data', stem, 1)))?.stem, stem);
  });

  it('holds nothing of the repository, whatever it is called', () => {
    const name = path.basename(newKeptPath('/data', keptStem(digest, 'registry.test ../../etc/passwd'), 1));
    assert.match(name, /^[a-z0-9-]+$/);
    assert.ok(name.length < 255 - KEPT_SUFFIX.length);
  });

  it('knows its own files, and no others', () => {
    const name = path.basename(newKeptPath('/data', keptStem(digest, 'a'), 1));
    assert.ok(isKeptFile(name) && isKeptFile(`${name}${KEPT_SUFFIX}`));
    for (const stranger of [
      '',
      'ab'.repeat(12),
      `${name}.tmp`,
      `${name}${KEPT_SUFFIX}${KEPT_SUFFIX}`,
      `x${name}`,
      KEPT_SUFFIX,
    ]) {
      assert.equal(isKeptFile(stranger), false, stranger);
    }
  });
});
