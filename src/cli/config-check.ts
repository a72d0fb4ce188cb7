import { loadConfig } from '../config/load.js';
import { OPTION_NAMES } from '../config/option-table.js';
import { loadTrust } from '../upstream/trust.js';
import type { Command } from './command.js';

export const configCheck: Command = {
  words: ['config', 'check'],
  summary: 'tell everything that is wrong with the configuration',
  options: OPTION_NAMES,
  takesJson: false,
  run: async ({ flags }, io) => {
    const { upstreamCa, registries } = loadConfig({ ...io, flags });
    await loadTrust({ extraFiles: upstreamCa, ownKeys: () => [], registries: registries ?? [] });
    io.out('The configuration is valid.\n');
    return 0;
  },
};
