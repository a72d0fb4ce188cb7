import { loadConfig } from '../config/load.js';
import { OPTION_NAMES } from '../config/option-table.js';
import type { Command } from './command.js';

export const configCheck: Command = {
  words: ['config', 'check'],
  summary: 'tell everything that is wrong with the configuration',
  options: OPTION_NAMES,
  takesJson: false,
  run: async ({ flags }, io) => {
    loadConfig({ ...io, flags });
    io.out('The configuration is valid.\n');
    return 0;
  },
};
