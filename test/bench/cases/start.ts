import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchCase } from '../case.js';
import { startEntrepot } from '../peers/entrepot.js';
import { spread } from '../report.js';

/** From nothing at all, no CA and no data folder, to a port that takes connections. */
export const start: BenchCase = {
  name: 'start',
  run: async (bench) => {
    if (!bench.isWanted('entrepot')) return [];
    const readyMs: number[] = [];
    for (let round = 0; round < bench.sizes.rounds; round += 1) {
      bench.progress(`start: round ${round + 1}`);
      const running = await startEntrepot(bench.site, 'fresh', [], 'fresh-ca');
      readyMs.push(running.readyMs);
      await running.daemon.stop();
      for (const name of ['fresh', 'fresh-ca']) {
        await rm(join(bench.site.folder, name), { recursive: true, force: true });
      }
    }
    const found = spread(readyMs);
    const value = found ? `${found.median.toFixed(0)} ms (${found.low.toFixed(0)} to ${found.high.toFixed(0)})` : '';
    const reached = (found?.median ?? Number.POSITIVE_INFINITY) <= 500;
    const fact = { what: 'entrepot, process start to ready', value, reach: '≤ 500 ms', reached };
    return [{ name: 'start', title: 'Fresh start to ready', rows: [], facts: [fact] }];
  },
};
