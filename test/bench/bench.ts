import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { makeCertificates } from './certificates.js';
import { type Content, createContent } from './content.js';
import { direct, mirror } from './peers/distribution.js';
import { entrepot, entrepotBefore, entrepotTunnel } from './peers/entrepot.js';
import { cachingNginx, plainNginx } from './peers/nginx.js';
import type { Peer, PeerName, PeerPlan, Site } from './peers/peer.js';
import { squid } from './peers/squid.js';
import { nginxMitm, plainTunnel } from './peers/tinyproxy.js';
import type { Sizes } from './sizes.js';
import { startUplink, type Uplink } from './uplink.js';
import { startUpstream, type Upstream } from './upstream.js';

/** What a case works with. */
export interface Bench {
  readonly sizes: Sizes;
  readonly options: BenchOptions;
  readonly site: Site;
  readonly content: Content;
  readonly upstream: Upstream;
  /** The peer, started when first asked for; a text says why there is none. */
  peer(name: PeerName): Promise<Peer | string>;
  /** The peer with nothing in its cache. */
  emptied(name: PeerName): Promise<Peer | string>;
  titleOf(name: PeerName): string;
  /** Whether another build of entrepot takes part. */
  readonly hasBefore: boolean;
  /** Whether the peer is to take part at all. */
  readonly isWanted: (name: PeerName) => boolean;
  /** Says what runs. */
  readonly progress: (text: string) => void;
  /** Stops everything and removes every file. */
  close(): Promise<void>;
}

const PLANS: readonly PeerPlan[] = [
  plainNginx,
  cachingNginx,
  nginxMitm,
  squid,
  mirror,
  plainTunnel,
  direct,
  entrepot,
  entrepotTunnel,
];

export const PEER_NAMES = PLANS.map(({ name }) => name);

export interface BenchOptions {
  readonly sizes: Sizes;
  readonly progress: (text: string) => void;
  /** All where it is undefined. */
  readonly peers: readonly string[] | undefined;
  /** The folder of another build of entrepot, which does what entrepot does, in turns with it. */
  readonly before: string | undefined;
  /** What lies between everybody and the registry; nothing where it is left out. */
  readonly uplink?: Uplink;
}

export async function openBench(options: BenchOptions): Promise<Bench> {
  const { sizes, progress, peers, before } = options;
  for (const program of ['openssl', 'docker-registry']) {
    if (!isInstalled(program)) throw new Error(`${program} is needed by every case: apt-get install ${program}`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-bench-'));
  const storage = join(folder, 'registry');
  await mkdir(storage);
  progress('making certificates, starting the registry');
  const certificates = await makeCertificates(folder);
  const upstream = await startUpstream(folder, storage, certificates);
  const stops: (() => Promise<unknown>)[] = [];
  const onStarted = (stop: () => Promise<unknown>): void => void stops.push(stop);
  const line = options.uplink && (await startUplink(folder, upstream.port, options.uplink));
  const site: Site = { folder, storage, certificates, upstreamPort: line?.port ?? upstream.port, onStarted };
  const plans = before === undefined ? PLANS : [...PLANS, entrepotBefore(before)];
  const running = new Map<PeerName, Peer>();
  let starting: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  function planOf(name: PeerName): PeerPlan {
    const plan = plans.find((one) => one.name === name);
    if (plan === undefined) throw new Error(`there is no peer ${name}`);
    return plan;
  }

  async function peer(name: PeerName): Promise<Peer | string> {
    const known = running.get(name);
    if (known !== undefined) return known;
    if (closing !== undefined) throw new Error('the bench is closing');
    const plan = planOf(name);
    const missing = Object.entries(plan.needs).filter(([program]) => !isInstalled(program));
    if (missing.length > 0) return `not installed: ${missing.map(([, packageName]) => packageName).join(', ')}`;
    try {
      const start = plan.start(site);
      starting = start.catch(() => undefined);
      const started = await start;
      running.set(name, started);
      return started;
    } catch (error) {
      return `did not start: ${(error as Error).message.split('\n', 1)[0]}`;
    }
  }

  async function emptied(name: PeerName): Promise<Peer | string> {
    const known = running.get(name);
    if (known !== undefined) {
      await known.stop();
      running.delete(name);
      await rm(join(folder, name), { recursive: true, force: true });
    }
    return peer(name);
  }

  function close(): Promise<void> {
    closing ??= stopAll();
    return closing;
  }

  async function stopAll(): Promise<void> {
    await starting;
    for (const one of running.values()) await one.stop();
    for (const stop of stops) await stop();
    await line?.stop();
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  }

  const content = createContent(storage);
  return {
    sizes,
    options,
    site,
    content,
    upstream,
    peer,
    emptied,
    titleOf: (name) => planOf(name).title,
    hasBefore: before !== undefined,
    isWanted: (name) => peers === undefined || peers.includes(name) || name === 'entrepot-before',
    progress,
    close,
  };
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => existsSync(join(folder, program)));
}

/** The version that a program gives of itself, for the report; undefined where it is not installed. */
export function versionOf(program: string, args: readonly string[]): string | undefined {
  if (!isInstalled(program)) return undefined;
  try {
    return execFileSync('sh', ['-c', `PATH="$PATH:/usr/sbin" ${program} ${args.join(' ')} 2>&1`], {
      encoding: 'utf8',
    }).split('\n')[0];
  } catch {
    return undefined;
  }
}
