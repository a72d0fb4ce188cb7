import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../../src/config/paths.js';
import { CASES, LEFT_OUT } from './cases.js';

const PAGE = readFileSync(path.join(PACKAGE_ROOT, 'SECURITY.md'), 'utf8');

/** Threats, answer and tests of each row of the page's table. */
function rows(): { readonly threats: string; readonly answer: string; readonly tests: readonly string[] }[] {
  const [, table = ''] = /^## Threats and their tests$([\s\S]*?)^## /m.exec(PAGE) ?? [];
  const lines = table.split('\n').filter((line) => line.startsWith('| '));
  return lines.slice(1).map((line) => {
    const [threats = '', answer = '', tests = ''] = line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, ''));
    return { threats, answer, tests: [...tests.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? '') };
  });
}

describe('threats/the page in SECURITY.md', () => {
  it('has an answer and tests for every section of threats', () => {
    const sections = new Set(CASES.map(({ id }) => id.charAt(0)));
    const named = rows().flatMap(({ threats }) => threats.replace(/:.*/, '').match(/\b[A-Z](?=\b|\d)/g) ?? []);
    assert.deepEqual(
      [...sections].filter((section) => !named.includes(section)),
      [],
    );
    for (const { threats, answer, tests } of rows()) assert.ok(answer !== '' && tests.length > 0, threats);
  });

  it('names only tests that are there', () => {
    const named = rows().flatMap(({ tests }) => tests);
    assert.deepEqual(
      named.filter((name) => !existsSync(path.join(PACKAGE_ROOT, name))),
      [],
    );
  });

  it('leaves out no threat that has to be answered before a release', () => {
    const known = new Map(CASES.map(({ id, priority }) => [id, priority]));
    assert.deepEqual(
      Object.keys(LEFT_OUT).filter((id) => known.get(id) !== 2),
      [],
    );
  });
});
