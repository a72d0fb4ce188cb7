import type { Flags } from '../config/layer.js';
import type { OptionName } from '../config/option-table.js';
import type { Environment } from '../config/paths.js';

/** What asks the proxy to stop. */
export type Signal = 'SIGINT' | 'SIGTERM';

/** What a command may touch of the process it runs in. */
export interface CommandIo {
  out(text: string): void;
  error(text: string): void;
  /** False once whoever read standard output has gone, as `head` does. */
  isRead(): boolean;
  readonly env: Environment;
  /** Absolute path of the working folder. */
  readonly cwd: string;
  /** Whether standard output is a terminal. */
  readonly isTerminal: boolean;
  /** Standard error, where it is a terminal: the place for what comes and goes, such as a progress bar. */
  readonly terminal?: NodeJS.WriteStream | undefined;
  /** Calls back at every SIGINT and SIGTERM; gives a function that ends this. */
  onSignal(listener: (signal: Signal) => void): () => void;
  /** Ends the process here and now. */
  exit(code: number): void;
}

export interface CommandArguments {
  readonly flags: Flags;
  /** Whether the output is for a program. */
  readonly json: boolean;
  /** The command's own flags that were given: their text, or `true` for one without a value. */
  readonly own?: Readonly<Record<string, string | true>>;
  /** What the command is to work on. */
  readonly operands?: readonly string[];
}

/** What a command works on: words without dashes behind its name. */
export interface CommandOperand {
  /** What stands for it in help texts. */
  readonly metavar: string;
  /** One line without a full stop. */
  readonly help: string;
  /** How many there may be. */
  readonly count: 'one' | 'any' | 'at-most-one';
}

/** A flag of one command that is no option of the configuration. */
export interface CommandFlag {
  /** Without the dashes. */
  readonly name: string;
  /** What stands for the value in help texts; a flag without it takes no value. */
  readonly metavar?: string;
  /** One line without a full stop. */
  readonly help: string;
}

/** One command of `entrepot`: what its help says, what it takes, and what it does. */
export interface Command {
  /** The words that call it: `['ca', 'show']`. */
  readonly words: readonly [string] | readonly [string, string];
  /** One line without a full stop. */
  readonly summary: string;
  /** Options of the configuration that it takes, besides `--config`. */
  readonly options: readonly OptionName[];
  readonly takesJson: boolean;
  /** What it takes besides options of the configuration. */
  readonly flags?: readonly CommandFlag[];
  readonly operand?: CommandOperand;
  /** Does the work and gives the exit code. May throw ConfigError. */
  run(given: CommandArguments, io: CommandIo): Promise<number>;
}

/** Lines of a name and a value each, the values below one another. */
export function renderPairs(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}\n`).join('');
}

/** A value as JSON for people to read, too. */
export function renderJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
