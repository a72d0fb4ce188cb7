import { loadConfig } from '../config/load.js';
import { loadAuthorities } from '../tls/rotation.js';
import { authorityReport, renderReport } from './authority-report.js';
import { type Command, renderJson } from './command.js';

export const caShow: Command = {
  words: ['ca', 'show'],
  summary: 'tell what the CA certificate says, and the coming one during a rotation',
  options: ['ca-dir'],
  takesJson: true,
  run: async ({ flags, json }, io) => {
    const report = authorityReport(await loadAuthorities(loadConfig({ ...io, flags }).caDir, Date.now()));
    io.out(json ? renderJson(report) : renderReport(report));
    return 0;
  },
};
