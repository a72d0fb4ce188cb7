import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startFakeRegistry } from '../support/fake-registry.js';
import { pullImage } from '../support/pull-image.js';
import { createTempDir } from '../support/temp-dir.js';
import { Content, emptyReport, runLoad } from './mixed-load.js';
import { startCrashProxy } from './proxy-process.js';
import { judgeFolder, spoolNames } from './stored-files.js';

/*
 * npm run test:crash -- --kills N: kills the built proxy N times, at whatever it is doing under mixed load or while it
 * starts, and looks through what is left each time (I01). A data folder lasts for fifty kills, since all of it is hashed
 * after each. Ends with 1 where a client got wrong bytes, a file is not its digest, a link has no delivery, the spool is
 * not clear after a start, or a pull fails.
 */

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '50' }, program: { type: 'string', default: 'dist/main.js' } },
});
const kills = Number(values.kills);
const KILLS_PER_FOLDER = 50;
/** Every so many kills hit a proxy that is still starting. */
const EARLY_EVERY = 5;
/** A kill comes some time after so many whole answers at most, so that a slow machine gets as far as a quick one. */
const MOST_ANSWERS = 8;
const LONGEST_REST_MS = 150;
const LONGEST_START_MS = 400;
/** What the proxy keeps of downloads that broke off, and their side-cars. */
const MOST_KEPT = 2 * 16;
/** A spool that nobody keeps; kept prefixes have other names. */
const STRAY_SPOOL = /^[0-9a-f]{24}$/;

const starts: number[] = [];
const complaints: string[] = [];
let whole = 0;
let broken = 0;
let contents = 0;
let links = 0;

/** Kills one proxy after the other on a folder of their own, and pulls from what the last one has left. */
async function killsOnOneFolder(first: number, end: number): Promise<void> {
  const registry = await startFakeRegistry();
  const folder = await createTempDir();
  const data = join(folder.path, 'data');
  const content = new Content(registry);

  /** Whether the registry was asked by this repository for these bytes, by digest or by the tag that pointed to them. */
  function hasDelivered(scope: string, digest: string): boolean {
    const repository = scope.slice(scope.lastIndexOf(' ') + 1);
    const names = new Set([digest, content.tagOf(repository, digest)]);
    return registry.requests.some(
      (one) => one.method === 'GET' && one.repository === repository && names.has(one.reference),
    );
  }

  async function oneKill(n: number): Promise<void> {
    content.grow();
    const proxy = await startCrashProxy(values.program, folder.path, registry);
    if (n % EARLY_EVERY === EARLY_EVERY - 1) {
      await delay(Math.random() * LONGEST_START_MS);
      await proxy.kill();
    } else {
      const { way, startMs } = await proxy.ready;
      starts.push(startMs);
      const spools = await spoolNames(data);
      const stray = spools.filter((name) => STRAY_SPOOL.test(name));
      if (stray.length > 0) complaints.push(`after start ${n} the spool held ${stray.join(', ')}`);
      if (spools.length > MOST_KEPT) complaints.push(`after start ${n} the spool held ${spools.length} kept files`);
      const over = new AbortController();
      const report = emptyReport();
      const load = runLoad({ content, registry, way, report, isOver: () => over.signal.aborted });
      const answers = Math.floor(Math.random() * MOST_ANSWERS);
      const { process: child } = proxy;
      while (report.whole < answers && report.wrong.length === 0 && child.exitCode === null) await delay(5);
      await delay(Math.random() * LONGEST_REST_MS);
      over.abort();
      if (child.exitCode !== null) complaints.push(`before kill ${n} the proxy ended by itself with ${child.exitCode}`);
      await proxy.kill();
      await load;
      whole += report.whole;
      broken += report.broken;
      complaints.push(...report.wrong.map((what) => `wrong bytes before kill ${n}: ${what}`));
    }
    const judgement = await judgeFolder(data, hasDelivered);
    complaints.push(...judgement.complaints.map((what) => `after kill ${n}: ${what}`));
  }

  async function lastPulls(): Promise<void> {
    const proxy = await startCrashProxy(values.program, folder.path, registry);
    const { way } = await proxy.ready;
    for (let n = 0; n < 10; n += 1) {
      const { repository, tag } = content.image();
      await pullImage({ ...way, authority: registry.authority, repository, reference: tag, style: 'podman' });
    }
    proxy.process.kill('SIGTERM');
    await new Promise((resolve) => proxy.process.once('exit', resolve));
  }

  try {
    for (let n = first; n < end && complaints.length === 0; n += 1) await oneKill(n);
    await lastPulls();
    const judgement = await judgeFolder(data, hasDelivered);
    complaints.push(...judgement.complaints);
    contents += judgement.contents;
    links += judgement.links;
  } finally {
    await registry.close();
    await folder.remove();
  }
}

try {
  for (let n = 0; n < kills && complaints.length === 0; n += KILLS_PER_FOLDER) {
    await killsOnOneFolder(n, Math.min(kills, n + KILLS_PER_FOLDER));
  }
} catch (error) {
  complaints.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
}
const [first = 0] = starts;
const longest = Math.max(...starts);
process.stdout.write(
  `${kills} kills: ${whole} answers whole, ${broken} broken; ${contents} contents and ${links} links` +
    ` were left; the first start took ${first.toFixed(0)} ms, the longest ${(longest / first).toFixed(1)} times as long\n`,
);
for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.exitCode = complaints.length > 0 ? 1 : 0;
