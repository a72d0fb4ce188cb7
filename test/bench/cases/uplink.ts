import { openBench } from '../bench.js';
import type { BenchCase } from '../case.js';
import { compare } from '../compare.js';
import { pullImage } from '../pull.js';
import { layeredImage } from './warm.js';

const GIB = 1024 ** 3;
/** What a good office or a small cluster has: a gigabit a second, and a registry that is not next door. */
const UPLINK = { bytesPerSecond: 125_000_000, roundTripMs: 10 };

/**
 * The cold pull once more, over a line to the registry as users have it. Without one, registry, proxy and client share
 * two cores, and what is compared is how much they have to compute.
 */
export const uplink: BenchCase = {
  name: 'uplink',
  run: async (outer) => {
    const { sizes, progress, options } = outer;
    const bench = await openBench({ ...options, sizes, progress, uplink: UPLINK });
    try {
      const image = await layeredImage(bench, 'uplink');
      const other = await bench.content.image('uplink-before', [await bench.content.blob(bench.sizes.layerBytes)]);
      const { layers, layerBytes } = sizes;
      const result = await compare(bench, {
        name: 'uplink',
        title: `Cold image of ${layers} × ${layerBytes / 1024 ** 2} MiB, the registry behind 1 Gbit/s and ${UPLINK.roundTripMs} ms`,
        reference: 'direct',
        per: { unit: 'GiB', amount: (layers * layerBytes) / GIB },
        peers: ['direct', 'entrepot', 'nginx-cache'],
        cold: true,
        prepare: async (peer) => void (await pullImage(peer, bench.content, other, 1)),
        work: (peer) => pullImage(peer, bench.content, image, 1),
      });
      return [result];
    } finally {
      await bench.close();
    }
  },
};
