import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { COMMANDS } from '../src/cli/run.js';
import { renderOptionTable } from '../src/config/option-docs.js';
import { PACKAGE_ROOT } from '../src/config/paths.js';

const README = readFileSync(path.join(PACKAGE_ROOT, 'README.md'), 'utf8');

describe('readme', () => {
  it('has the table of options as the option table gives it', () => {
    const [, table = ''] = /<!-- options: [^>]*-->\n([\s\S]*?)\n?<!-- \/options -->/.exec(README) ?? [];
    const expected = renderOptionTable();
    assert.ok(table === expected, `Put this between the option marks of README.md:\n\n${expected}\n`);
  });

  it('names no option that there is none of', () => {
    const known = new Set([...expectedFlags(), ...commandFlags(), 'help', 'json', 'build', 'options']);
    const named = [...README.matchAll(/(?<=[\s`(])--([a-z][a-z-]*)/g)].map(([, name]) => name ?? '');
    assert.deepEqual(
      named.filter((name) => !known.has(name)),
      [],
    );
  });

  it('names only files that are there', () => {
    const named = [...README.matchAll(/(?:`|\b)((?:src|test|deploy|\.ci)\/[\w./-]*\w|[A-Z]+\.md|LICENSE|NOTICE)/g)];
    const absent = named.map(([, name]) => name ?? '').filter((name) => !existsSync(path.join(PACKAGE_ROOT, name)));
    assert.deepEqual(absent, []);
    assert.ok(named.length > 5);
  });
});

function expectedFlags(): readonly string[] {
  return [...renderOptionTable().matchAll(/^\| `--([a-z-]+)[ `]/gm)].map(([, name]) => name ?? '');
}

/** Flags that only one command takes. */
function commandFlags(): readonly string[] {
  return COMMANDS.flatMap(({ flags = [] }) => flags.map(({ name }) => name));
}
