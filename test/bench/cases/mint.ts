import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, Fact } from '../case.js';
import { Connection } from '../client.js';
import type { Peer } from '../peers/peer.js';
import { cpuSeconds, residentBytes } from '../process-tree.js';
import { expect, headersFor, manifestPath } from '../pull.js';
import { grant, smallImage } from './handshake.js';

const MIB = 1024 ** 2;
/** A client that asks for more new hosts than this at once is made to wait. */
const HOSTS_PER_CLIENT = 400;

/** A certificate for every new host, while somebody else asks for a manifest all the time. */
export const mint: BenchCase = {
  name: 'mint',
  run: async (bench) => {
    const { hosts } = bench.sizes;
    const title = `${hosts} hosts opened for the first time`;
    if (!bench.isWanted('entrepot')) return [];
    const image = await smallImage(bench, 'mint');
    const peer = await bench.emptied('entrepot');
    if (typeof peer === 'string')
      return [{ name: 'mint', title, rows: [], facts: [{ what: 'entrepot', value: peer }] }];
    await grant(peer, image);
    await knock(peer, 100, () => 'warm-up.bench.test');

    bench.progress('mint: known hosts');
    const known = await knock(peer, Math.min(hosts, 1000), () => 'known.bench.test');
    const quiet = watchLatency(peer, manifestPath(image));
    await sleep(5000);
    const alone = slowest(await quiet.stop());
    bench.progress(`mint: ${hosts} new hosts`);
    const residentBefore = residentBytes(peer.pids);
    const bystander = watchLatency(peer, manifestPath(image));
    const fresh = await knock(peer, hosts, (n) => `host-${n}.bench.test`);
    const latencyMs = await bystander.stop();
    const grownMib = (residentBytes(peer.pids) - residentBefore) / MIB;

    const mintMs = fresh - known;
    const among = slowest(latencyMs);
    const facts: Fact[] = [
      { what: 'CONNECT and TLS to a known host, CPU', value: `${known.toFixed(2)} ms` },
      { what: 'CONNECT and TLS to a new host, CPU', value: `${fresh.toFixed(2)} ms` },
      { what: 'so one certificate costs', value: `${mintMs.toFixed(2)} ms`, reach: '≤ 2 ms', reached: mintMs <= 2 },
      { what: 'memory grown', value: `${grownMib.toFixed(0)} MiB`, reach: '≤ 64 MiB', reached: grownMib <= 64 },
      {
        what: 'small GET of a bystander, 99 % within',
        value: `${among.toFixed(1)} ms; before, ${alone.toFixed(1)} ms`,
        reach: '≤ 20 ms',
        reached: among <= 20,
      },
    ];
    return [{ name: 'mint', title, rows: [], facts }];
  },
};

/** What 99 of 100 stay below. */
export function slowest(tookMs: readonly number[]): number {
  return tookMs.toSorted((a, b) => a - b)[Math.floor(tookMs.length * 0.99)] ?? 0;
}

/** Opens connections to hosts one after the other; gives CPU milliseconds for each. */
async function knock(peer: Peer, times: number, hostOf: (n: number) => string): Promise<number> {
  const before = cpuSeconds(peer.pids);
  for (let n = 0; n < times; n += 1) {
    const target = { host: hostOf(n), port: 443 };
    const from = `127.0.1.${1 + Math.floor(n / HOSTS_PER_CLIENT)}`;
    const connection = await Connection.open({ ...peer.way, target, from });
    connection.close();
  }
  return ((cpuSeconds(peer.pids) - before) * 1000) / times;
}

/** Asks for the same small thing over and over; gives how long each answer took, in milliseconds. */
export function watchLatency(peer: Peer, path: string): { stop(): Promise<number[]> } {
  const watch = { stopped: false };
  const tookMs: number[] = [];
  async function run(): Promise<void> {
    const connection = await Connection.open(peer.way);
    const headers = headersFor(peer);
    while (!watch.stopped) {
      const startedAt = performance.now();
      await expect(connection.request('GET', path, headers), peer, path);
      tookMs.push(performance.now() - startedAt);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    connection.close();
  }
  const running = run();
  return {
    stop: async () => {
      watch.stopped = true;
      await running;
      return tookMs;
    },
  };
}
