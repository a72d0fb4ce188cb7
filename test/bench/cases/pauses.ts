import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { footprintBytes } from '../../../src/cache/footprint.js';
import type { Bench } from '../bench.js';
import type { Fact } from '../case.js';
import type { Image } from '../content.js';
import { OLDEST_MS, ROW_BYTES } from '../filled-store.js';
import { peerOf, startEntrepot } from '../peers/entrepot.js';
import { freePort } from '../ports.js';
import { manifestPath, pullImage } from '../pull.js';
import { longestTurns, turnWatch } from '../turns.js';
import { slowest, watchLatency } from './mint.js';

/** After its port takes connections a start goes on for so long: modules, roots. That is another case's. */
const START_MS = 2000;
const PAGES = 20;
const VERIFY_MS = 15_000;
const REBUILD_MS = 30_000;
const ROUND = '10m';
const LOOK_EVERY_MS = 2000;
/** The first look at the budget comes within a minute of the start, and a round takes some seconds. */
const EVICTION_LIMIT_MS = 300_000;
const LONGEST_PAUSE_MS = 20;

interface Proxy {
  get(path: string): Promise<string>;
  post(path: string, body: object, signal?: AbortSignal): Promise<string>;
  metric(name: string): Promise<number>;
  /** Does something and tells what it was like meanwhile; `work` may say what there is to tell of it. */
  during(what: string, work: () => Promise<string | undefined>): Promise<Fact>;
  stop(): Promise<void>;
}

/**
 * All that goes through all entries of a store, while a client asks for the same small thing over and over: how long was
 * the longest turn of the event loop, and the longest answer?
 */
export async function pauses(bench: Bench, name: string, image: Image, count: number): Promise<Fact[]> {
  const data = join(bench.site.folder, name, 'data');
  const facts: Fact[] = [];
  const tell = (what: string): string => {
    bench.progress(`entries: ${what} among ${count}`);
    return `${count.toLocaleString('en-US')} entries, ${what}`;
  };

  const walking = await start(bench, name, image, ['--scrub', ROUND]);
  try {
    facts.push(await walking.during(tell('rows being read'), () => loaded(walking)));
    for (const sort of ['used', 'size', 'digest']) {
      facts.push(await walking.during(tell(`${PAGES} pages by ${sort}`), () => pages(walking, sort)));
    }
    facts.push(await walking.during(tell('files checked'), () => verify(walking)));
    facts.push(await walking.during(tell('rm of what is oldest'), () => removeOldest(walking)));
  } finally {
    await walking.stop();
  }

  const budget = Math.floor(count * footprintBytes(ROW_BYTES) * 0.98);
  const evicting = await start(bench, name, image, ['--max-size', String(budget), '--scrub', 'off']);
  try {
    await loaded(evicting);
    facts.push(await evicting.during(tell('eviction'), () => evicted(evicting)));
  } finally {
    await evicting.stop();
  }

  await rm(join(data, 'index.v1.sqlite'), { force: true });
  const rebuilding = await start(bench, name, image, ['--scrub', 'off']);
  try {
    facts.push(await rebuilding.during(tell('index lost'), () => rebuilt(rebuilding)));
  } finally {
    await rebuilding.stop();
  }
  return facts;
}

async function start(bench: Bench, name: string, image: Image, flags: readonly string[]): Promise<Proxy> {
  const { site } = bench;
  const turns = join(site.folder, name, 'turns');
  const admin = await freePort();
  const all = ['--admin-listen', `127.0.0.1:${admin}`, ...flags];
  const { daemon, port } = await startEntrepot(site, name, all, undefined, undefined, [turnWatch(turns)]);
  const peer = await peerOf(site, 'entrepot', daemon, port);
  const token = (await readFile(join(site.folder, name, 'data/admin.token'), 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const ask = async (path: string, init: RequestInit): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${admin}${path}`, { ...init, headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  };
  await pullImage(peer, bench.content, image, 1);
  await sleep(START_MS);
  return {
    get: (path) => ask(path, {}),
    post: (path, body, signal) =>
      ask(path, { method: 'POST', body: JSON.stringify(body), ...(signal === undefined ? {} : { signal }) }),
    async metric(metric) {
      const line = new RegExp(`^${metric} (\\S+)$`, 'm').exec(await ask('/metrics', {}));
      return Number(line?.[1] ?? 0);
    },
    async during(what, work) {
      const bystander = watchLatency(peer, manifestPath(image));
      const from = Date.now();
      const told = await work();
      const until = Date.now();
      const tookMs = await bystander.stop();
      const { ms, ownMs, ranMs } = await longestTurns(turns, from, until);
      const took = `${((until - from) / 1000).toFixed(1)} s${told === undefined ? '' : `, ${told}`}`;
      const turn = `longest turn ${ms.toFixed(0)} ms, without waiting for a processor ${ownMs.toFixed(0)} ms, on one ${ranMs.toFixed(0)} ms`;
      const gets = `small GET 99 % within ${slowest(tookMs).toFixed(1)} ms, slowest ${Math.max(...tookMs).toFixed(1)} ms`;
      return {
        what,
        value: `${took}; ${turn}; ${gets}`,
        reach: `no turn > ${LONGEST_PAUSE_MS} ms`,
        reached: ownMs <= LONGEST_PAUSE_MS,
      };
    },
    stop: async () => void (await daemon.stop()),
  };
}

/** A page by size needs all rows, and waits for them. */
async function loaded(proxy: Proxy): Promise<undefined> {
  await proxy.get('/api/v1/blobs?sort=size&limit=1');
}

async function pages(proxy: Proxy, sort: string): Promise<undefined> {
  let cursor = '';
  for (let page = 0; page < PAGES; page += 1) {
    const { next } = JSON.parse(await proxy.get(`/api/v1/blobs?sort=${sort}&limit=100${cursor}`)) as { next?: string };
    if (next === undefined) return;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
}

/** What the scrubber does, at full speed. */
async function verify(proxy: Proxy): Promise<string> {
  const before = await proxy.metric('entrepot_scrubbed_total');
  await proxy.post('/api/v1/verify', {}, AbortSignal.timeout(VERIFY_MS)).catch(() => {});
  const scrubbed = (await proxy.metric('entrepot_scrubbed_total')) - before;
  return `${scrubbed} by the scrubber beside it`;
}

async function removeOldest(proxy: Proxy): Promise<string> {
  const unusedMs = Math.floor(OLDEST_MS * 0.99);
  const report = JSON.parse(await proxy.post('/api/v1/prune', { unusedMs })) as { removed: { entries: number } };
  return `${report.removed.entries.toLocaleString('en-US')} removed`;
}

/** Until a round has ended and no other has begun. */
async function evicted(proxy: Proxy): Promise<string> {
  const giveUpAt = Date.now() + EVICTION_LIMIT_MS;
  let before = 0;
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    const now = await proxy.metric('entrepot_evictions_total');
    if ((now > 0 && now === before) || Date.now() > giveUpAt) return `${now.toLocaleString('en-US')} evicted`;
    before = now;
  }
}

async function rebuilt(proxy: Proxy): Promise<string> {
  const giveUpAt = Date.now() + REBUILD_MS;
  let share = 0;
  while (share < 1 && Date.now() < giveUpAt) {
    await sleep(LOOK_EVERY_MS);
    share = await proxy.metric('entrepot_index_rebuild_ratio');
  }
  return `${(share * 100).toFixed(0)} % rebuilt`;
}
