import { readFileSync } from 'node:fs';
import path from 'node:path';
import { configProblems } from '../config/load.js';
import { PACKAGE_ROOT } from '../config/paths.js';
import { ConfigError } from '../errors.js';
import { caExport } from './ca-export.js';
import { caInit } from './ca-init.js';
import { caRenew } from './ca-renew.js';
import { caRotate } from './ca-rotate.js';
import { caShow } from './ca-show.js';
import { cacheLs } from './cache-ls.js';
import { cachePin, cacheUnpin } from './cache-pin.js';
import { cachePrune } from './cache-prune.js';
import { cacheRm } from './cache-rm.js';
import { cacheShow } from './cache-show.js';
import { cacheStats } from './cache-stats.js';
import { cacheVerify } from './cache-verify.js';
import type { Command, CommandIo } from './command.js';
import { configCheck } from './config-check.js';
import { configPrint } from './config-print.js';
import { type ParsedCommand, parseArguments } from './parser.js';
import { serve } from './serve.js';

/** Every command there is, in the order of help. */
export const COMMANDS: readonly Command[] = [
  serve,
  caInit,
  caShow,
  caExport,
  caRotate,
  caRenew,
  cacheStats,
  cacheLs,
  cacheShow,
  cacheRm,
  cachePrune,
  cacheVerify,
  cachePin,
  cacheUnpin,
  configCheck,
  configPrint,
];

/**
 * Runs one command line and gives the exit code: 0 done, 1 failed, 2 bad usage or configuration. Never throws; every
 * problem is a line on standard error.
 * @param width columns of the terminal
 */
export async function run(argv: readonly string[], io: CommandIo, width: number): Promise<number> {
  try {
    const parsed = await parseArguments(argv, COMMANDS, { version: packageVersion(), width });
    if ('command' in parsed) return await runCommand(parsed, io);
    io.out(parsed.text);
    return 0;
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [messageOf(error)];
    for (const problem of problems) io.error(`entrepot: ${problem}\n`);
    return error instanceof ConfigError ? 2 : 1;
  }
}

/** Runs a command; where its line has problems, tells them with everything else that is wrong with the configuration. */
async function runCommand({ command, given, problems }: ParsedCommand, io: CommandIo): Promise<number> {
  if (problems.length === 0) return command.run(given, io);
  throw new ConfigError([...problems, ...configProblems({ ...io, flags: given.flags })]);
}

function packageVersion(): string {
  const text = readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
