import type { BenchCase } from '../case.js';
import { compare } from '../compare.js';
import { pullImage } from '../pull.js';
import { layeredImage } from './warm.js';

const GIB = 1024 ** 3;

/** What passes unopened. */
export const tunnel: BenchCase = {
  name: 'tunnel',
  run: async (bench) => {
    const image = await layeredImage(bench, 'tunnel');
    const { layers, layerBytes } = bench.sizes;
    const result = await compare(bench, {
      name: 'tunnel',
      title: `Image of ${layers} × ${layerBytes / 1024 ** 2} MiB through a blind tunnel`,
      reference: 'tunnel',
      per: { unit: 'GiB', amount: (layers * layerBytes) / GIB },
      peers: ['tunnel', 'entrepot-tunnel', 'direct'],
      prepare: async (peer) => void (await pullImage(peer, bench.content, image, 1)),
      work: (peer) => pullImage(peer, bench.content, image, 1),
    });
    return [result];
  },
};
