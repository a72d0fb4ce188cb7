import type { BenchCase } from '../case.js';
import { compare } from '../compare.js';
import { pullImage } from '../pull.js';
import { layeredImage } from './warm.js';

const GIB = 1024 ** 3;

/** An image that nobody has on disk: fetched, written, and, by entrepot alone, verified. */
export const cold: BenchCase = {
  name: 'cold',
  run: async (bench) => {
    const image = await layeredImage(bench, 'cold');
    // A server that has just been started has its code still to translate; one in service hasn't.
    const other = await bench.content.image('cold-before', [await bench.content.blob(bench.sizes.layerBytes)]);
    const { layers, layerBytes } = bench.sizes;
    const result = await compare(bench, {
      name: 'cold',
      title: `Cold image of ${layers} × ${layerBytes / 1024 ** 2} MiB over one connection`,
      reference: 'nginx-cache',
      per: { unit: 'GiB', amount: (layers * layerBytes) / GIB },
      peers: ['nginx-cache', 'entrepot', 'nginx-mitm', 'mirror', 'squid', 'direct'],
      cold: true,
      prepare: async (peer) => void (await pullImage(peer, bench.content, other, 1)),
      work: (peer) => pullImage(peer, bench.content, image, 1),
    });
    return [result];
  },
};
