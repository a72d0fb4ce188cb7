import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The environment as it is handed to the process; read by this folder alone. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder that holds package.json: two above this file, in `src/` as in `dist/`. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `ca/` of the checkout. */
export function defaultCaDir(): string {
  return path.join(PACKAGE_ROOT, 'ca');
}

/**
 * `$XDG_STATE_HOME/entrepot`, or `~/.local/state/entrepot`.
 * @see https://specifications.freedesktop.org/basedir-spec/latest/ (a relative path is to be ignored)
 */
export function defaultDataDir(env: Environment): string {
  const stateHome = env['XDG_STATE_HOME'];
  if (stateHome !== undefined && path.isAbsolute(stateHome)) return path.join(stateHome, 'entrepot');
  return path.join(env['HOME'] || homedir(), '.local', 'state', 'entrepot');
}
