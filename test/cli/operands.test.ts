import assert from 'node:assert/strict';
import type { Command, CommandOperand } from '../../src/cli/command.js';
import { parseArguments } from '../../src/cli/parser.js';
import { ConfigError } from '../../src/errors.js';

function command(name: string, count: CommandOperand['count']): Command {
  const run = () => Promise.reject(new Error('the parser runs nothing'));
  const operand = { metavar: 'name', help: 'an image or a digest', count };
  return { words: ['cache', name], summary: name, options: [], takesJson: false, operand, run };
}

const COMMANDS = [command('show', 'one'), command('ls', 'at-most-one'), command('rm', 'any')];
const OPTIONS = { version: '1.2.3', width: 100 };

async function operands(...argv: string[]): Promise<readonly string[] | undefined> {
  const parsed = await parseArguments(argv, COMMANDS, OPTIONS);
  assert.ok('command' in parsed);
  assert.deepEqual(parsed.problems, []);
  return parsed.given.operands;
}

async function problems(...argv: string[]): Promise<readonly string[]> {
  try {
    const parsed = await parseArguments(argv, COMMANDS, OPTIONS);
    return 'command' in parsed ? parsed.problems : [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

describe('cli/parser with operands', () => {
  it('gives what a command works on as the text that was written', async () => {
    assert.deepEqual(await operands('cache', 'show', 'alpine:3.20'), ['alpine:3.20']);
    assert.deepEqual(await operands('cache', 'show', '007'), ['007']);
    assert.deepEqual(await operands('cache', 'ls'), []);
    assert.deepEqual(await operands('cache', 'ls', 'a.test'), ['a.test']);
    assert.deepEqual(await operands('cache', 'rm'), []);
    assert.deepEqual(await operands('cache', 'rm', 'a', '1e3', 'true'), ['a', '1e3', 'true']);
  });

  it('tells what is missing and what is too much', async () => {
    assert.deepEqual(await problems('cache', 'show'), ['entrepot cache show needs a name: an image or a digest.']);
    assert.notDeepEqual(await problems('cache', 'show', 'a', 'b'), []);
    assert.notDeepEqual(await problems('cache', 'ls', 'a', 'b'), []);
  });

  it('explains them in the help', async () => {
    const parsed = await parseArguments(['cache', 'rm', '--help'], COMMANDS, OPTIONS);
    assert.ok('text' in parsed);
    assert.match(parsed.text, /entrepot cache rm \[name\.\.\]/);
    assert.match(parsed.text, /name +an image or a digest/);
  });
});
