import path from 'node:path';
import { type Config, loadConfig } from '../config/load.js';
import { ConfigError } from '../errors.js';
import { fixedHosts } from '../net/permitted-names.js';
import { initOfflineRoot } from '../tls/offline-root.js';
import { type Authorities, openAuthorities } from '../tls/rotation.js';
import { authorityReport, renderReport } from './authority-report.js';
import type { Command, CommandIo } from './command.js';
import { rootKeyFile } from './root-key-flag.js';

export const caInit: Command = {
  words: ['ca', 'init'],
  summary: 'make the CA, unless there is one',
  options: ['ca-dir', 'ca-name-constraints', 'intercept'],
  takesJson: false,
  flags: [
    { name: 'offline-root', help: 'make a root whose key is carried away, and an intermediate of 90 days below it' },
    { name: 'root-key', metavar: 'FILE', help: 'new file for key and certificate of the offline root' },
  ],
  run: async ({ flags, own = {} }, io) => {
    const config = loadConfig({ ...io, flags });
    if (own['offline-root'] === true) return initWithRoot(config, rootKeyFile(own, io), io);
    if (own['root-key'] !== undefined) throw new ConfigError(['--root-key goes with --offline-root.']);
    const authorities = await openAuthorities(config.caDir, { permittedNames: config.caNameConstraints });
    const { created } = authorities.current;
    io.out(created ? 'The CA has been made.\n' : 'There is a CA already; nothing was changed.\n');
    io.out(renderReport(authorityReport(authorities)));
    return 0;
  },
};

async function initWithRoot(config: Config, file: string, io: CommandIo): Promise<number> {
  const options = { rootKeyFile: file, permittedNames: namesFor(config), now: Date.now() };
  const current = await initOfflineRoot(config.caDir, options);
  const authorities: Authorities = { current, next: undefined };
  io.out('The root and its first intermediate have been made.\n');
  io.out(renderReport(authorityReport(authorities)));
  const command = `entrepot ca renew --root-key ${path.basename(file)}`;
  io.out(`\nThe key of the root is in ${file}. Carry that file away, delete it here,\n`);
  const until = new Date(current.notAfter).toISOString().slice(0, 10);
  io.out(`and bring it back for "${command}" before ${until}.\n`);
  return 0;
}

/** What an intermediate may issue certificates for: what it is told, else the hosts that are opened, if they are fixed. */
export function namesFor({ caNameConstraints, intercept }: Config): readonly string[] {
  return caNameConstraints.length > 0 ? caNameConstraints : (fixedHosts(intercept) ?? []);
}
