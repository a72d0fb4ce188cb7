import { setTimeout as sleep } from 'node:timers/promises';
import { backPages } from './backed-pages.js';
import type { Bench } from './bench.js';
import type { CaseResult, Row, Sample } from './case.js';
import type { Peer, PeerName } from './peers/peer.js';
import { cpuSeconds, peakBytes, resetPeak } from './process-tree.js';

export interface Comparison extends Omit<CaseResult, 'rows' | 'facts'> {
  readonly peers: readonly PeerName[];
  /** Whether every run begins with an empty cache. */
  readonly cold?: boolean;
  /** Done before the first measured run, or before every one of them where it is cold. */
  readonly prepare?: (peer: Peer) => Promise<void>;
  /** What is measured; gives the time to the first byte where that means something. */
  readonly work: (peer: Peer) => Promise<number | undefined>;
}

/** Has all peers do the same work in turns, A B C A B C, so that what else the machine does hits all alike. */
export async function compare(bench: Bench, comparison: Comparison): Promise<CaseResult> {
  const { name, title, cold = false, prepare, work } = comparison;
  const peers = comparison.peers
    .filter(bench.isWanted)
    .flatMap((peer): PeerName[] => (peer === 'entrepot' && bench.hasBefore ? [peer, 'entrepot-before'] : [peer]));
  const samples = new Map<PeerName, Sample[]>(peers.map((peer) => [peer, []]));
  const missing = new Map<PeerName, string>();

  for (let round = 0; round < bench.sizes.rounds; round += 1) {
    for (const peerName of peers) {
      if (missing.has(peerName)) continue;
      bench.progress(`${name}: ${peerName}, round ${round + 1} of ${bench.sizes.rounds}`);
      const peer = await (cold ? bench.emptied(peerName) : bench.peer(peerName));
      if (typeof peer === 'string') {
        missing.set(peerName, peer);
        continue;
      }
      if (cold || round === 0) {
        await prepare?.(peer);
        await settled(peer);
      }
      if (cold) await backPages(bench.site.folder);
      samples.get(peerName)?.push(await measure(bench, peer, () => work(peer)));
    }
  }

  const rows = peers.map((peer): Row => {
    const why = missing.get(peer);
    const row = { peer, title: bench.titleOf(peer), samples: samples.get(peer) ?? [] };
    return why === undefined ? row : { ...row, missing: why };
  });
  const { reference, per } = comparison;
  return { name, title, rows, facts: [], ...(reference && { reference }), ...(per && { per }) };
}

/** Measures one run. CPU time is read when the server has come to rest, so that what it does afterwards counts, too. */
export async function measure(bench: Bench, peer: Peer, work: () => Promise<number | undefined>): Promise<Sample> {
  resetPeak(peer.pids);
  const seenBefore = (await bench.upstream.seen()).length;
  const cpuBefore = cpuSeconds(peer.pids);
  const startedAt = performance.now();
  const firstByteMs = await work();
  const wallMs = performance.now() - startedAt;
  await settled(peer);
  const seen = (await bench.upstream.seen()).slice(seenBefore);
  const hasServer = peer.pids.length > 0;
  return {
    wallMs,
    cpuSeconds: hasServer ? cpuSeconds(peer.pids) - cpuBefore : undefined,
    firstByteMs,
    peakBytes: hasServer ? peakBytes(peer.pids) : undefined,
    upstreamRequests: seen.length,
    upstreamBytes: seen.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Resolves when the server has used next to nothing for a fifth of a second, or after five seconds. */
async function settled({ pids }: Peer): Promise<void> {
  let before = cpuSeconds(pids);
  for (let turn = 0; turn < 25; turn += 1) {
    await sleep(200);
    const now = cpuSeconds(pids);
    if (now - before <= 0.01) return;
    before = now;
  }
}
