import assert from 'node:assert/strict';
import type { Command } from '../../src/cli/command.js';
import { parseArguments } from '../../src/cli/parser.js';
import { OPTION_NAMES, OPTIONS } from '../../src/config/option-table.js';
import { ConfigError } from '../../src/errors.js';

function command(words: Command['words'], change: Partial<Command> = {}): Command {
  return { words, summary: `does ${words.join(' ')}`, options: [], takesJson: false, run: neverRun, ...change };
}

function neverRun(): Promise<number> {
  return Promise.reject(new Error('the parser runs nothing'));
}

const COMMANDS = [
  command(['serve'], { options: OPTION_NAMES }),
  command(['ca', 'show'], { options: ['ca-dir'], takesJson: true }),
  command(['ca', 'export'], { options: ['ca-dir'] }),
  command(['ca', 'turn'], {
    flags: [
      { name: 'at', metavar: 'TIME', help: 'when to turn' },
      { name: 'done', help: 'turn no more' },
    ],
  }),
];

const OPTIONS_OF_PARSER = { version: '1.2.3', width: 100 };

async function chosen(...argv: string[]): Promise<unknown> {
  const parsed = await parseArguments(argv, COMMANDS, OPTIONS_OF_PARSER);
  return 'command' in parsed ? { words: parsed.command.words, ...parsed.given } : parsed;
}

async function printed(...argv: string[]): Promise<string> {
  const parsed = await parseArguments(argv, COMMANDS, OPTIONS_OF_PARSER);
  assert.ok('text' in parsed);
  return parsed.text;
}

async function problems(...argv: string[]): Promise<readonly string[]> {
  try {
    const parsed = await parseArguments(argv, COMMANDS, OPTIONS_OF_PARSER);
    return 'command' in parsed ? parsed.problems : [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
}

describe('cli/parser', () => {
  it('gives the command and its flags as text', async () => {
    assert.deepEqual(
      await chosen('serve', '--listen', '[::]:1', '--drain=5', '--deny', 'a', '--deny', 'b', '--config', 'c'),
      {
        words: ['serve'],
        flags: { listen: '[::]:1', drain: '5', deny: ['a', 'b'], config: 'c' },
        json: false,
      },
    );
    assert.deepEqual(await chosen('serve'), { words: ['serve'], flags: {}, json: false });
    assert.deepEqual(await chosen('serve', '--deny='), { words: ['serve'], flags: { deny: '' }, json: false });
  });

  it('gives commands of two words', async () => {
    assert.deepEqual(await chosen('ca', 'show', '--json', '--ca-dir', 'x'), {
      words: ['ca', 'show'],
      flags: { 'ca-dir': 'x' },
      json: true,
    });
  });

  it('gives a command its own flags, with and without a value', async () => {
    const words = ['ca', 'turn'];
    assert.deepEqual(await chosen(...words, '--at', 'noon', '--done'), {
      words,
      flags: {},
      json: false,
      own: { at: 'noon', done: true },
    });
    assert.deepEqual(await chosen(...words), { words, flags: {}, json: false, own: {} });
    assert.match(
      (await printed(...words, '--help')).replaceAll(/\s+/g, ' '),
      /--at TIME: when to turn --done turn no more/,
    );
  });

  it('prints the version', async () => {
    assert.equal(await printed('--version'), '1.2.3\n');
  });

  it('lists commands, and every option with its default', async () => {
    assert.match(await printed('--help'), /entrepot serve +does serve\n/);
    assert.match(await printed('ca', '--help'), /entrepot ca show +does ca show\n/);
    const help = (await printed('serve', '--help')).replaceAll(/\s+/g, ' ');
    for (const { name, kind, metavar, help: text } of OPTIONS) {
      const words = text.replaceAll('`', '');
      const shown = kind === 'switch' ? `--${name} ${words}` : `--${name} ${metavar}: ${words} (default: `;
      assert.ok(help.includes(shown), name);
    }
    assert.match(help, /--config FILE: /);
    assert.doesNotMatch(await printed('ca', 'export', '--help'), /--listen|--json/);
  });

  it('gives what it understands beside what it does not, so that all problems can be told at once', async () => {
    const parsed = await parseArguments(['serve', '--foo', '1', '--drain', '5s'], COMMANDS, OPTIONS_OF_PARSER);
    assert.ok('command' in parsed);
    assert.deepEqual(parsed.given.flags, { drain: '5s' });
    assert.deepEqual(parsed.problems, ['--foo is no option here.']);
  });

  const misused: readonly [readonly string[], readonly string[]][] = [
    [[], ['A command is needed; entrepot --help lists them.']],
    [['ca'], ['entrepot ca needs a command; entrepot ca --help lists them.']],
    [['serv'], ['serv is no command. Did you mean serve?']],
    [['ca', 'shwo'], ['shwo is no command.']],
    [['ca', 'exprt'], ['exprt is no command. Did you mean export?']],
    [['constructor'], ['constructor is no command.']],
    [
      ['serve', '--lisen', 'a:1', '--frob=1'],
      ['--lisen is no option here. Did you mean --listen?', '--frob is no option here.'],
    ],
    [['ca', 'turn', '--at', '1', '--at', '2'], ['--at is given 2 times.']],
    [['ca', 'turn', '--at'], ['--at needs a value.']],
    [['ca', 'turn', '--dnoe'], ['--dnoe is no option here. Did you mean --done?']],
    [['ca', 'export', '--json'], ['--json is no option here.']],
    [['serve', '--no-listen'], ['--no-listen is no option here. Did you mean --listen?']],
    [['serve', '--dataDir', 'x'], ['--dataDir is no option here. Did you mean --data-dir?']],
    [['serve', '--listen'], ['--listen needs a value.']],
    [['serve', '--listen', '--deny', 'x'], ['--listen needs a value.']],
    [['serve', 'now'], ['entrepot serve takes no “now”.']],
    [
      ['serve', 'now', '--lisen', 'a:1'],
      ['--lisen is no option here. Did you mean --listen?', 'entrepot serve takes no “now”.'],
    ],
    [
      ['ca', 'turn', '--at', '1', '--at', '2', '--frob'],
      ['--frob is no option here.', '--at is given 2 times.'],
    ],
    [['serve', '--', 'now'], ['entrepot serve takes no “now”.']],
  ];
  for (const [argv, expected] of misused) {
    it(`refuses entrepot ${argv.join(' ')}`, async () => assert.deepEqual(await problems(...argv), expected));
  }

  it('takes a switch for true where it stands alone', async () => {
    for (const [argv, offline] of [
      [['serve', '--offline'], 'true'],
      [['serve', '--offline=false'], 'false'],
    ] as const) {
      const parsed = await parseArguments(argv, COMMANDS, OPTIONS_OF_PARSER);
      assert.ok('command' in parsed);
      assert.deepEqual(parsed.given.flags, { offline });
    }
  });
});
