import path from 'node:path';
import { ConfigError } from '../errors.js';
import type { CommandArguments, CommandIo } from './command.js';

/** The absolute path that `--root-key` names. Throws ConfigError where it is not given. */
export function rootKeyFile(own: NonNullable<CommandArguments['own']>, { cwd }: Pick<CommandIo, 'cwd'>): string {
  const file = own['root-key'];
  if (typeof file !== 'string' || file === '') {
    throw new ConfigError(["--root-key FILE is needed: the place of the root's key, outside of the CA folder."]);
  }
  return path.resolve(cwd, file);
}
