import { setTimeout as delay } from 'node:timers/promises';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { Content, emptyReport, type Load, openAs, runLoad } from '../crash/mixed-load.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyRequest, proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { digestText } from '../support/registry-content.js';
import { spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir } from '../support/temp-dir.js';
import { MORE_ALLOWED, type SoakResult } from './judge.js';
import { type Sample, takeSample } from './samples.js';

export interface SoakOptions {
  /** Arguments of node that start the program. */
  readonly program: readonly string[];
  readonly clients: number;
  /** Rounds of content: some 7 MB each, of which the store has room for `maxSize`. */
  readonly rounds: number;
  readonly maxSize: string;
  readonly sampleEveryMs: number;
  /** Called with each sample; says whether it is enough. */
  readonly isOver: (answers: number, sample: Sample) => boolean;
}

const CREDENTIAL = { user: 'alice', password: 'secret' };
const SETTLE_MS = 60_000;

/**
 * Lets clients loose on the program for as long as it takes: two registries, one of which is private and redirects to
 * its CDN, with more content than the store has room for. Hits, misses, ranges, hang-ups, logins, refusals and tags
 * that move, all at once.
 */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const open = await startFakeRegistry();
  const closed = await startFakeRegistry({ auth: 'token', delivery: { redirect: 307 } });
  const registries = [open, closed];
  for (const repository of ['a', 'b']) closed.auth.setAccess(repository, ['alice']);
  const folder = await createTempDir();
  // The registries share this process with all clients: too slow an answer is not to count as none at all.
  const flags = { outage: 'fail', 'max-size': options.maxSize, 'max-client-connections': '1024' };
  const proxy = await spawnProxy(folder.path, { registries, flags }, {}, options.program);
  const report = emptyReport();
  let over = false;
  const isOver = () => over;

  function loadOn(registry: FakeRegistry, clients: number): Load {
    const content = new Content(registry);
    for (let round = 0; round < options.rounds; round += 1) content.grow();
    const whose = registry === closed ? { credential: CREDENTIAL } : {};
    const load = { content, registry, way: proxy.way, report, isOver, clients, ...whose };
    return { ...load, also: [...clientsOfTags(load), ...strangers(load)] };
  }

  /** Nothing is under way: what is open now is open for good. */
  async function atRest(): Promise<Sample> {
    for (const registry of registries) registry.dropConnections();
    await delay(500);
    return takeSample(proxy.admin);
  }

  try {
    const loads = [loadOn(open, Math.ceil(options.clients / 2)), loadOn(closed, Math.floor(options.clients / 2))];
    await Promise.all(loads.map(firstPull));
    const before = await atRest();
    const samples: Sample[] = [];
    const running = Promise.all(loads.map(runLoad));
    for (let enough = false; !enough; ) {
      await delay(options.sampleEveryMs);
      const sample = await takeSample(proxy.admin);
      samples.push(sample);
      // The registries' own records would grow for ever.
      for (const registry of registries) registry.forget();
      enough = options.isOver(report.whole, sample) || report.wrong.length > 0;
    }
    over = true;
    await running;
    let after = await atRest();
    const until = performance.now() + SETTLE_MS;
    while (after.descriptors > before.descriptors + MORE_ALLOWED && performance.now() < until) after = await atRest();
    return { load: report, before, after, samples };
  } finally {
    over = true;
    await proxy.end('SIGTERM');
    await Promise.all(registries.map((registry) => registry.close()));
    await folder.remove();
  }
}

async function firstPull({ content, registry, way, credential }: Load): Promise<void> {
  const { repository, tag } = content.image();
  const whose = credential === undefined ? {} : { credential };
  await pullImage({ ...way, authority: registry.authority, repository, reference: tag, style: 'docker', ...whose });
}

/** Those who look at tags, and one who moves a tag of its own each time. */
function clientsOfTags(load: Load): readonly (() => Promise<void>)[] {
  const { content, registry, way } = load;
  const idle: string[] = [];
  let tags = 0;

  function manifest(method: string, repository: string, tag: string): ProxyRequest {
    const headers = ['Accept', `${OCI_MANIFEST}, ${OCI_INDEX}`];
    return { ...way, method, authority: registry.authority, path: `/v2/${repository}/manifests/${tag}`, headers };
  }

  async function look(): Promise<void> {
    const { repository, tag, digest } = content.image();
    const answer = await (await openAs(manifest('HEAD', repository, tag), load)).rest();
    const found = answer.header('docker-content-digest');
    if (answer.status !== 200 || found !== digest) throw new Error(`HEAD ${tag}: ${answer.status}, ${found}`);
  }

  async function move(): Promise<void> {
    const { repository, digest } = content.image();
    const tag = idle.pop() ?? `moving-${(tags += 1)}`;
    registry.content.moveTag(repository, tag, digest);
    const answer = await (await openAs(manifest('GET', repository, tag), load)).rest();
    idle.push(tag);
    if (answer.status !== 200 || !answer.complete) throw new Error(`GET ${tag}: ${answer.status}`);
    if (digestText(answer.body) !== digest)
      load.report.wrong.push(`${tag} is not what it was moved to (${answer.header('cache-status')})`);
  }

  return [look, move];
}

/** Those who ask for what is not there, or not theirs. */
function strangers({ content, registry, way, credential, report }: Load): readonly (() => Promise<void>)[] {
  const { authority } = registry;
  let asked = 0;

  async function absent(): Promise<void> {
    const digest = digestText(Buffer.from(`absent ${(asked += 1)}`));
    const request = { ...way, authority, path: `/v2/a/blobs/${digest}` };
    const answer = await (await openAs(request, { way, ...(credential === undefined ? {} : { credential }) })).rest();
    if (answer.status !== 404) throw new Error(`absent: ${answer.status}`);
  }

  async function uninvited(): Promise<void> {
    const { repository, digest } = content.blob();
    const answer = await proxyGet({ ...way, authority, path: `/v2/${repository}/blobs/${digest}` });
    if (answer.status === 200) report.wrong.push(`${repository} ${digest} went to a stranger`);
    else if (answer.status !== 401) throw new Error(`uninvited: ${answer.status}`);
  }

  return credential === undefined ? [absent] : [absent, uninvited];
}
