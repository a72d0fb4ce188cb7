import { join } from 'node:path';
import { session } from '../session.js';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Where a client's programs run: turns a program and its arguments into the command that is really started. */
export type Where = (program: string, args: readonly string[]) => Command;

/**
 * The command that runs a program with a hosts file that knows no registry, as on a node whose only way out is the
 * proxy. So a client that passes the proxy by fails, and Docker, which trusts every certificate of a name that it
 * resolves to 127.0.0.0/8, has to check the proxy's.
 */
export function withoutNames(program: string, args: readonly string[]): Command {
  const hosts = join(session().lab.folder, 'localhost-only');
  const mount = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return { program: 'unshare', args: ['--mount', 'sh', '-c', mount, hosts, program, ...args] };
}
