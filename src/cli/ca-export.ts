import { loadConfig } from '../config/load.js';
import { loadAuthorities, offeredPem } from '../tls/rotation.js';
import type { Command } from './command.js';

export const caExport: Command = {
  words: ['ca', 'export'],
  summary: 'print the CA certificates that clients are to trust, as PEM',
  options: ['ca-dir'],
  takesJson: false,
  run: async ({ flags }, io) => {
    io.out(offeredPem(await loadAuthorities(loadConfig({ ...io, flags }).caDir, Date.now())));
    return 0;
  },
};
