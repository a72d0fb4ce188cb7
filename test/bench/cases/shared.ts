import type { BenchCase } from '../case.js';
import { compare } from '../compare.js';
import type { Blob, Image } from '../content.js';
import { pullImage } from '../pull.js';

const GIB = 1024 ** 3;
const IMAGES = 8;
const OWN_LAYERS = 4;
const SHARED_LAYERS = 4;

/** Eight images in repositories of their own, of which half the layers are the same. */
export const shared: BenchCase = {
  name: 'shared',
  run: async (bench) => {
    bench.progress('making images with shared layers');
    const sizeBytes = bench.sizes.sharedLayerBytes;
    const make = async (count: number): Promise<Blob[]> => {
      const blobs: Blob[] = [];
      for (let n = 0; n < count; n += 1) blobs.push(await bench.content.blob(sizeBytes));
      return blobs;
    };
    const common = await make(SHARED_LAYERS);
    const images: Image[] = [];
    for (let n = 0; n < IMAGES; n += 1) {
      images.push(await bench.content.image(`shared-${n}`, [...common, ...(await make(OWN_LAYERS))]));
    }
    const distinct = SHARED_LAYERS + IMAGES * OWN_LAYERS;
    const all = IMAGES * (SHARED_LAYERS + OWN_LAYERS);
    const mib = sizeBytes / 1024 ** 2;
    const result = await compare(bench, {
      name: 'shared',
      title: `${IMAGES} cold images of 8 × ${mib} MiB, half of the layers shared: ${distinct * mib} MiB of ${all * mib} differ`,
      reference: 'nginx-cache',
      per: { unit: 'GiB', amount: (all * sizeBytes) / GIB },
      peers: ['nginx-cache', 'entrepot', 'mirror', 'squid'],
      cold: true,
      work: async (peer) => {
        for (const image of images) await pullImage(peer, bench.content, image, 1);
        return undefined;
      },
    });
    return [result];
  },
};
