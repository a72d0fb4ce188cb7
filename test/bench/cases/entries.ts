import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createFaultBoard } from '../../../src/cache/fault-board.js';
import { footprintBytes } from '../../../src/cache/footprint.js';
import { openKeyvIndex } from '../../../src/cache/keyv-index.js';
import { openCache } from '../../../src/cache/open-cache.js';
import type { Bench } from '../bench.js';
import type { BenchCase, Fact } from '../case.js';
import { Connection } from '../client.js';
import type { Blob, Image } from '../content.js';
import { peerOf, startEntrepot } from '../peers/entrepot.js';
import type { Peer } from '../peers/peer.js';
import { blobPath, expect, headersFor, manifestPath, pullImage, tagPath } from '../pull.js';
import { spread } from '../report.js';
import { slowest, watchLatency } from './mint.js';

const NAME = 'entries';
const STEP = 20_000;
const SMALL_LAYERS = 200;
const HOT_GETS = 3000;
const ROW_BYTES = 4096;
/** Evictions begin with the first look at the budget, a minute after the start at the latest. */
const EVICTION_MS = 70_000;
const EVENTS = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

interface Found {
  readonly readyMs: number;
  /** Median of the first GET of each of 200 blobs after the start: index and disk. */
  readonly firstMs: number;
  /** Median of repeated GETs. */
  readonly hotMs: number;
}

/** Stores of different sizes: how long they take to start, and to find something. */
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
    let rows = 0;
    for (const count of bench.sizes.entries) {
      const before = await run(bench, image, count, rows);
      rows = count;
      smallest ??= before;
      facts.push(...factsOf(count, before, smallest));
    }
    facts.push(...(await evict(bench, image, rows)));
    await rm(join(bench.site.folder, NAME), { recursive: true, force: true });
    return [{ name: 'entries', title: 'Start and lookups in stores of many entries', rows: [], facts }];
  },
};

/** Fills the store up to `count` entries, of which `known` are there, each with the fact of who delivered it. */
async function run(bench: Bench, image: Image, count: number, known: number): Promise<Found> {
  bench.progress(`entries: filling up to ${count}`);
  const data = join(bench.site.folder, NAME, 'data');
  const filling = await startEntrepot(bench.site, NAME);
  await pullImage(await peerOf(bench.site, 'entrepot', filling.daemon, filling.port), bench.content, image, 1);
  await filling.daemon.stop();
  await addRows(data, known, count);
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

/** Starts the store with a budget that is too small, and asks for the same small thing while it evicts. */
async function evict(bench: Bench, image: Image, count: number): Promise<Fact[]> {
  bench.progress(`entries: evicting among ${count}`);
  const data = join(bench.site.folder, NAME, 'data');
  const before = await entriesIn(data);
  const budget = Math.floor(count * footprintBytes(ROW_BYTES) * 0.98);
  const { daemon, port } = await startEntrepot(bench.site, NAME, ['--max-size', String(budget)]);
  let tookMs: readonly number[];
  try {
    const peer = await peerOf(bench.site, 'entrepot', daemon, port);
    const connection = await Connection.open(peer.way);
    await expect(connection.request('HEAD', tagPath(image), headersFor(peer)), peer, tagPath(image));
    connection.close();
    const bystander = watchLatency(peer, manifestPath(image));
    await sleep(EVICTION_MS);
    tookMs = await bystander.stop();
  } finally {
    await daemon.stop();
  }
  const evicted = before - (await entriesIn(data));
  const among = slowest(tookMs);
  const size = count.toLocaleString('en-US');
  return [
    { what: `${size} entries: evicted within ${EVICTION_MS / 1000} s`, value: evicted.toLocaleString('en-US') },
    {
      what: `${size} entries: small GET meanwhile, 99 % within`,
      value: `${among.toFixed(1)} ms; slowest ${Math.max(...tookMs).toFixed(1)} ms`,
      reach: '≤ 20 ms',
      reached: evicted > 0 && among <= 20,
    },
  ];
}

async function entriesIn(data: string): Promise<number> {
  const cache = await openCache({ directory: data, events: EVENTS });
  try {
    return cache.store.usage.entries;
  } finally {
    await cache.close();
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

async function addRows(data: string, from: number, to: number): Promise<void> {
  const digestOf = (n: number) => `sha256:${createHash('sha256').update(String(n)).digest('hex')}`;
  const numbers = (at: number) => Array.from({ length: Math.min(STEP, to - at) }, (_, n) => at + n);
  const index = await openKeyvIndex(data, createFaultBoard(EVENTS), false);
  for (let at = from; at < to; at += STEP) {
    const row = { sizeBytes: ROW_BYTES, storedAt: Date.now() };
    await Promise.all(numbers(at).map((n) => index.set('entry', digestOf(n), row)));
  }
  await index.close();
  const cache = await openCache({ directory: data, events: EVENTS });
  const now = Date.now();
  for (let at = from; at < to; at += STEP) {
    const link = { deliveredAt: now, confirmedAt: now };
    await Promise.all(numbers(at).map((n) => cache.facts.set('link', `registry.test/repository ${digestOf(n)}`, link)));
  }
  await cache.close();
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
