import yargs, { type Argv, type Options } from 'yargs';
import { describeDefault } from '../config/option-docs.js';
import { CONFIG_OPTION, OPTION_NAMES, OPTIONS, type OptionName, type OptionSpec } from '../config/option-table.js';
import type { OptionText } from '../config/schema.js';
import { didYouMean } from '../config/suggest.js';
import { ConfigError } from '../errors.js';
import type { Command, CommandArguments, CommandFlag, CommandOperand } from './command.js';

/** A command to run with what it was given, unless there are problems; they are to be told with those of the values. */
export interface ParsedCommand {
  readonly command: Command;
  readonly given: CommandArguments;
  /** Flags and words that the command does not take, a sentence each. */
  readonly problems: readonly string[];
}

/** What a command line asks for: a command, or a text (help, version) to print. */
export type Parsed = ParsedCommand | { readonly text: string };

export interface ParserOptions {
  readonly version: string;
  /** Columns of the terminal. */
  readonly width: number;
}

const GROUPS: Readonly<Record<string, string>> = {
  cache: 'what is in the store',
  ca: 'the certificate authority that clients trust',
  config: 'the configuration',
};
const JSON_FLAG = 'json';
const MAX_WIDTH = 120;
/** A flag with exactly one value, of whatever form. */
const VALUE = { type: 'string', nargs: 1 } as const;

/**
 * Reads a command line. Commands only say what they take; they are not run here.
 * @throws ConfigError where no command is understood, or a flag has no value
 */
export async function parseArguments(
  argv: readonly string[],
  commands: readonly Command[],
  { version, width }: ParserOptions,
): Promise<Parsed> {
  // `--help`, or `help` as a word.
  const isHelp = argv.some((word) => word.includes('help'));
  let chosen: ParsedCommand | undefined;
  let text = '';
  const problems: string[] = [];
  const parser = hidingTypes(yargs())
    .scriptName('entrepot')
    .locale('en')
    .usage('$0 <command>\n\nA forward HTTPS proxy that caches container images.')
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'short-option-groups': false,
    })
    .version(version)
    .help()
    .wrap(Math.min(width, MAX_WIDTH))
    .exitProcess(false)
    .strict()
    .demandCommand(1, 'A command is needed; entrepot --help lists them.')
    .fail((message: string | null, error: Error | undefined) => {
      problems.push(message ?? error?.message ?? '');
    });
  const choose = (command: Command, given: Record<string, unknown>): void => {
    chosen = readGiven(given, command);
  };
  for (const command of commands.filter(({ words }) => words.length === 1)) addCommand(parser, command, isHelp, choose);
  for (const [name, summary] of Object.entries(GROUPS)) {
    const members = commands.filter(({ words }) => words.length === 2 && words[0] === name);
    parser.command(name, summary, (group) => {
      for (const member of members) addCommand(group, member, isHelp, choose);
      return group.demandCommand(1, `entrepot ${name} needs a command; entrepot ${name} --help lists them.`);
    });
  }

  await parser.parseAsync([...argv], {}, (_error: unknown, _args: unknown, output: string) => {
    text = output === '' ? '' : `${output}\n`;
  });
  if (problems[0] === undefined) return chosen ?? { text };
  if (chosen === undefined) throw new ConfigError(explain(problems[0], argv, commands));
  // Surplus words are among the problems of the command already.
  const unknown = unknownOf(problems[0])?.filter((word) => isFlag(word, argv));
  const told = unknown?.map((word) => explainUnknown(word, argv, commands)) ?? explain(problems[0], argv, commands);
  return { ...chosen, problems: [...told, ...chosen.problems] };
}

/** The types of options are all `string` and only in the way. (The setting is missing from the type declarations.) */
function hidingTypes(parser: Argv): Argv {
  return (parser as Argv & { usageConfiguration(settings: object): Argv }).usageConfiguration({ 'hide-types': true });
}

function addCommand(
  parser: Argv,
  command: Command,
  isHelp: boolean,
  choose: (command: Command, given: Record<string, unknown>) => void,
): void {
  const build = (builder: Argv): Argv => {
    // yargs lays out the help of every command that it runs, which takes 40 ms of a start; that of hidden options is short.
    const add = (name: string, settings: Options): Argv => builder.option(name, { ...settings, hidden: !isHelp });
    add(CONFIG_OPTION.name, { ...VALUE, describe: `${CONFIG_OPTION.metavar}: ${CONFIG_OPTION.help}` });
    for (const option of OPTIONS.filter(({ name }) => command.options.includes(name))) {
      const value = option.kind === 'switch' ? ({ type: 'boolean' } as const) : VALUE;
      add(option.name, { ...value, describe: describeOption(option) });
    }
    for (const { name, metavar, help } of command.flags ?? []) {
      if (metavar === undefined) add(name, { type: 'boolean', describe: help });
      else add(name, { ...VALUE, describe: `${metavar}: ${help}` });
    }
    if (command.operand !== undefined) {
      const { metavar, help } = command.operand;
      builder.positional(metavar, { type: 'string', describe: help });
    }
    return command.takesJson ? add(JSON_FLAG, { type: 'boolean', describe: 'print JSON' }) : builder;
  };
  const words = `${command.words.at(-1)}${operandSyntax(command.operand)}`;
  parser.command(words, command.summary, build, (given) => choose(command, given));
}

function operandSyntax(operand: CommandOperand | undefined): string {
  if (operand === undefined) return '';
  const { metavar, count } = operand;
  if (count === 'one') return ` <${metavar}>`;
  return count === 'any' ? ` [${metavar}..]` : ` [${metavar}]`;
}

function describeOption(option: OptionSpec): string {
  if (option.kind === 'switch') return option.help.replaceAll('`', '');
  const text = `${option.metavar}: ${option.help} (default: ${describeDefault(option)})`;
  return text.replaceAll('`', '');
}

/** The flags as yargs gives them: text, or several texts where a flag stood several times. */
function readGiven(given: Record<string, unknown>, command: Command): ParsedCommand {
  const { words, options, takesJson } = command;
  const surplus = (given['_'] as readonly string[]).slice(words.length);
  const problems = surplus.length > 0 ? [`entrepot ${words.join(' ')} takes no “${surplus.join(' ')}”.`] : [];
  const names: readonly (OptionName | typeof CONFIG_OPTION.name)[] = [...options, CONFIG_OPTION.name];
  const flags = Object.fromEntries(
    names.flatMap((name) => (given[name] === undefined ? [] : [[name, textOf(given[name])]])),
  );
  const json = takesJson && given[JSON_FLAG] === true;
  const operands = command.operand === undefined ? {} : { operands: readOperands(given[command.operand.metavar]) };
  if (command.flags === undefined) return { command, given: { flags, json, ...operands }, problems };
  const own = readOwn(given, command.flags);
  return { command, given: { flags, json, own: own.values, ...operands }, problems: [...problems, ...own.problems] };
}

/** A switch is `true` where it stands alone. */
function textOf(given: unknown): OptionText {
  return typeof given === 'boolean' ? String(given) : (given as OptionText);
}

function readOperands(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  return typeof value === 'string' ? [value] : [];
}

interface OwnFlags {
  readonly values: Record<string, string | true>;
  readonly problems: readonly string[];
}

function readOwn(given: Record<string, unknown>, flags: readonly CommandFlag[]): OwnFlags {
  const values: Record<string, string | true> = {};
  const problems: string[] = [];
  for (const { name } of flags) {
    const value = given[name];
    if (Array.isArray(value)) problems.push(`--${name} is given ${value.length} times.`);
    if (typeof value === 'string' || value === true) values[name] = value;
  }
  return { values, problems };
}

/** Turns a complaint of yargs into sentences that say what to write instead. */
function explain(problem: string, argv: readonly string[], commands: readonly Command[]): readonly string[] {
  const unknown = unknownOf(problem);
  if (unknown !== undefined) return unknown.map((word) => explainUnknown(word, argv, commands));
  const lacking = problem.startsWith('Not enough non-option arguments') ? commandOf(argv, commands) : undefined;
  if (lacking?.operand !== undefined) {
    return [`entrepot ${lacking.words.join(' ')} needs a name: ${lacking.operand.help}.`];
  }
  const [, name] = /^Not enough arguments following: (.*)$/.exec(problem) ?? [];
  return [name === undefined ? problem : `--${name} needs a value.`];
}

/** The command that the line begins with. */
function commandOf(argv: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands.find(({ words }) => words.every((word, n) => argv[n] === word));
}

/** The flags, without dashes, and words that a complaint of yargs calls unknown. */
function unknownOf(problem: string): readonly string[] | undefined {
  return /^Unknown arguments?: (.*)$/.exec(problem)?.[1]?.split(', ');
}

function isFlag(word: string, argv: readonly string[]): boolean {
  return argv.some((given) => given.startsWith('-') && given.replace(/^-+/, '').split('=')[0] === word);
}

function explainUnknown(word: string, argv: readonly string[], commands: readonly Command[]): string {
  if (isFlag(word, argv)) {
    const own = commands.flatMap(({ flags = [] }) => flags.map(({ name }) => name));
    const all = [...OPTION_NAMES, CONFIG_OPTION.name, ...own, JSON_FLAG, 'help', 'version'];
    const known = all.map((name) => `--${name}`);
    return `--${word} is no option here.${didYouMean(`--${word}`, known)}`;
  }
  const words = [...new Set(commands.flatMap((command) => command.words))];
  return `${word} is no command.${didYouMean(word, words)}`;
}
