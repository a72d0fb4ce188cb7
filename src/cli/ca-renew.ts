import { loadConfig } from '../config/load.js';
import { renewIntermediate } from '../tls/offline-root.js';
import { authorityReport, renderReport } from './authority-report.js';
import { namesFor } from './ca-init.js';
import { type Command, renderJson } from './command.js';
import { rootKeyFile } from './root-key-flag.js';

export const caRenew: Command = {
  words: ['ca', 'renew'],
  summary: 'issue the next intermediate below an offline root',
  options: ['ca-dir', 'ca-name-constraints', 'intercept'],
  takesJson: true,
  flags: [{ name: 'root-key', metavar: 'FILE', help: 'file with key and certificate of the offline root' }],
  run: async ({ flags, json, own = {} }, io) => {
    const config = loadConfig({ ...io, flags });
    const options = { rootKeyFile: rootKeyFile(own, io), permittedNames: namesFor(config), now: Date.now() };
    const report = authorityReport({ current: await renewIntermediate(config.caDir, options), next: undefined });
    if (json) {
      io.out(renderJson(report));
      return 0;
    }
    io.out(
      'The next intermediate signs; a running proxy takes it up within a minute, and clients see no difference.\n',
    );
    io.out(renderReport(report));
    io.out('\nDelete the file with the key of the root from this machine again.\n');
    return 0;
  },
};
