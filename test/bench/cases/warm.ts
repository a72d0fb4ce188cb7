import type { Bench } from '../bench.js';
import type { BenchCase, CaseResult } from '../case.js';
import { compare } from '../compare.js';
import type { Image } from '../content.js';
import { pullImage } from '../pull.js';

const GIB = 1024 ** 3;

/** An image of ten layers that everybody has on disk, over one connection and over eight. */
export const warm: BenchCase = {
  name: 'warm',
  run: async (bench) => {
    const image = await layeredImage(bench, 'warm');
    const results: CaseResult[] = [];
    for (const connections of [1, 8]) results.push(await warmOver(bench, image, connections));
    return results;
  },
};

function warmOver(bench: Bench, image: Image, connections: number): Promise<CaseResult> {
  const { layers, layerBytes } = bench.sizes;
  const over = connections === 1 ? 'one connection' : `${connections} connections`;
  return compare(bench, {
    name: `warm-${connections}`,
    title: `Warm image of ${layers} × ${layerBytes / 1024 ** 2} MiB over ${over}`,
    reference: 'nginx',
    per: { unit: 'GiB', amount: (layers * layerBytes) / GIB },
    peers: ['nginx', 'entrepot', 'nginx-mitm', 'nginx-cache', 'mirror', 'squid'],
    prepare: async (peer) => {
      for (let time = 0; time < 2; time += 1) await pullImage(peer, bench.content, image, connections);
    },
    work: (peer) => pullImage(peer, bench.content, image, connections),
  });
}

/** An image of the size that the issue names, under a name of its own. */
export async function layeredImage(bench: Bench, name: string): Promise<Image> {
  bench.progress(`making the image ${name}`);
  const layers = [];
  for (let n = 0; n < bench.sizes.layers; n += 1) layers.push(await bench.content.blob(bench.sizes.layerBytes));
  return bench.content.image(name, layers);
}
