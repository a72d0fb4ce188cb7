import { loadConfig } from '../config/load.js';
import { loadAuthority } from '../tls/authority.js';
import type { Command } from './command.js';

export const caExport: Command = {
  words: ['ca', 'export'],
  summary: 'print the CA certificate as PEM',
  options: ['ca-dir'],
  takesJson: false,
  run: async ({ flags }, io) => {
    const { certificatePem } = await loadAuthority(loadConfig({ ...io, flags }).caDir);
    io.out(certificatePem);
    return 0;
  },
};
