import { ConfigError } from '../errors.js';
import { formatAuthority } from '../net/authority.js';
import type { OptionName } from './option-table.js';
import type { ListenAddress } from './units.js';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it or choose another address.',
  EACCES: 'this user may not listen there; choose a port above 1023.',
  EADDRNOTAVAIL: 'this machine has no such address.',
  EAFNOSUPPORT: 'this machine has no addresses of that family.',
  ENOTFOUND: 'this name has no address.',
};

/** Says in one sentence why an address of the configuration cannot be listened on, given what the socket threw. */
export function listenProblem(option: OptionName, { host, port }: ListenAddress, thrown: unknown): ConfigError {
  const { code = '', message } = thrown as NodeJS.ErrnoException;
  const reason = Object.hasOwn(REASONS, code) ? REASONS[code] : message;
  return new ConfigError([`--${option} ${formatAuthority(host, port)}: ${reason}`]);
}
