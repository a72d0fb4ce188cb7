import { loadConfig } from '../config/load.js';
import { openAuthority } from '../tls/authority.js';
import { authorityPairs } from './ca-show.js';
import { type Command, renderPairs } from './command.js';

export const caInit: Command = {
  words: ['ca', 'init'],
  summary: 'make the CA, unless there is one',
  options: ['ca-dir'],
  takesJson: false,
  run: async ({ flags }, io) => {
    const authority = await openAuthority(loadConfig({ ...io, flags }).caDir);
    io.out(authority.created ? 'The CA has been made.\n' : 'There is a CA already; nothing was changed.\n');
    io.out(renderPairs(authorityPairs(authority)));
    return 0;
  },
};
