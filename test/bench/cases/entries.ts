import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import type { BenchCase, Fact } from '../case.js';
import { Connection } from '../client.js';
import type { Blob, Image } from '../content.js';
import { addImages } from '../filled-store.js';
import { peerOf, startEntrepot } from '../peers/entrepot.js';
import type { Peer } from '../peers/peer.js';
import { blobPath, expect, headersFor, manifestPath, pullImage, tagPath } from '../pull.js';
import { spread } from '../report.js';
import { pauses } from './pauses.js';

const NAME = 'entries';
const SMALL_LAYERS = 200;
const HOT_GETS = 3000;

interface Found {
  readonly readyMs: number;
  /** Median of the first GET of each of 200 blobs after the start: index and disk. */
  readonly firstMs: number;
  /** Median of repeated GETs. */
  readonly hotMs: number;
}

/** Stores of different sizes: how long they take to start and to find something, and what holds clients up meanwhile. */
export const entries: BenchCase = {
  name: 'entries',
  run: async (bench) => {
    if (!bench.isWanted('entrepot')) return [];
    bench.progress('entries: making the image');
    const layers: Blob[] = [];
    for (let n = 0; n < SMALL_LAYERS; n += 1) layers.push(await bench.content.blob(2000 + n));
    const image = await bench.content.image('entries', layers);
    const facts: Fact[] = [];
    let smallest: Found | undefined;
    let known = 0;
    for (const count of bench.sizes.entries) {
      const found = await run(bench, image, count, known);
      known = count;
      smallest ??= found;
      facts.push(...factsOf(count, found, smallest));
    }
    facts.push(...(await pauses(bench, NAME, image, known)));
    await rm(join(bench.site.folder, NAME), { recursive: true, force: true });
    return [{ name: 'entries', title: 'Stores of many entries: start, lookups, and pauses', rows: [], facts }];
  },
};

/** Fills the store up to `count` entries, of which `known` are there. */
async function run(bench: Bench, image: Image, count: number, known: number): Promise<Found> {
  bench.progress(`entries: filling up to ${count}`);
  const data = join(bench.site.folder, NAME, 'data');
  const filling = await startEntrepot(bench.site, NAME);
  await pullImage(await peerOf(bench.site, 'entrepot', filling.daemon, filling.port), bench.content, image, 1);
  await filling.daemon.stop();
  await addImages(data, known, count);
  // The first start after so much has changed may tidy up its log; what is measured is the usual one.
  const tidying = await startEntrepot(bench.site, NAME);
  await tidying.daemon.stop();

  bench.progress(`entries: looking things up among ${count}`);
  const { daemon, port, readyMs } = await startEntrepot(bench.site, NAME);
  try {
    const peer = await peerOf(bench.site, 'entrepot', daemon, port);
    return { readyMs, ...(await lookUp(peer, image)) };
  } finally {
    await daemon.stop();
  }
}

async function lookUp(peer: Peer, image: Image): Promise<Pick<Found, 'firstMs' | 'hotMs'>> {
  const headers = headersFor(peer);
  const connection = await Connection.open(peer.way);
  const timed = async (path: string) => {
    const startedAt = performance.now();
    await expect(connection.request('GET', path, headers), peer, path);
    return performance.now() - startedAt;
  };
  await expect(connection.request('HEAD', tagPath(image), headers), peer, tagPath(image));
  await timed(manifestPath(image));
  const first: number[] = [];
  for (const blob of image.layers) first.push(await timed(blobPath(image, blob)));
  const hot: number[] = [];
  for (let n = 0; n < HOT_GETS; n += 1) hot.push(await timed(manifestPath(image)));
  connection.close();
  return { firstMs: spread(first)?.median ?? 0, hotMs: spread(hot)?.median ?? 0 };
}

function factsOf(count: number, found: Found, smallest: Found): Fact[] {
  const size = count.toLocaleString('en-US');
  const first = found.firstMs / smallest.firstMs;
  const hot = found.hotMs / smallest.hotMs;
  const isSmallest = found === smallest;
  const flat = (ratio: number) => (isSmallest ? {} : { reach: '≤ 1.2 × the smallest', reached: ratio <= 1.2 });
  return [
    {
      what: `${size} entries: process start to ready`,
      value: `${found.readyMs.toFixed(0)} ms`,
      reach: '≤ 2 s',
      reached: found.readyMs <= 2000,
    },
    {
      what: `${size} entries: first GET of a small blob`,
      value: `${found.firstMs.toFixed(2)} ms (× ${first.toFixed(2)})`,
      ...flat(first),
    },
    { what: `${size} entries: small GET`, value: `${found.hotMs.toFixed(2)} ms (× ${hot.toFixed(2)})`, ...flat(hot) },
  ];
}
