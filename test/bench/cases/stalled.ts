import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, Fact } from '../case.js';
import { Connection } from '../client.js';
import type { Image } from '../content.js';
import type { Peer } from '../peers/peer.js';
import { cpuSeconds, residentBytes } from '../process-tree.js';
import { blobPath, headersFor, pullImage } from '../pull.js';
import { spread } from '../report.js';

const MIB = 1024 ** 2;
const PULLS = 5;

/** Clients that ask for a layer, take its first bytes and stop reading. */
export const stalled: BenchCase = {
  name: 'stalled',
  run: async (bench) => {
    const { stalled: clients, layerBytes } = bench.sizes;
    const title = `${clients} clients that stop reading a layer of ${layerBytes / MIB} MiB`;
    if (!bench.isWanted('entrepot')) return [];
    bench.progress('stalled: making the image');
    const image = await bench.content.image('stalled', [await bench.content.blob(layerBytes)]);
    const peer = await bench.emptied('entrepot');
    if (typeof peer === 'string')
      return [{ name: 'stalled', title, rows: [], facts: [{ what: 'entrepot', value: peer }] }];

    const pulls = async () => {
      const tookMs: number[] = [];
      const before = cpuSeconds(peer.pids);
      for (let n = 0; n < PULLS; n += 1) {
        const startedAt = performance.now();
        await pullImage(peer, bench.content, image, 1);
        tookMs.push(performance.now() - startedAt);
      }
      return { medianMs: spread(tookMs)?.median ?? 0, cpu: cpuSeconds(peer.pids) - before };
    };
    await pulls();
    const alone = await pulls();
    const residentBefore = residentBytes(peer.pids);
    bench.progress(`stalled: ${clients} clients`);
    const idle = await Promise.all(Array.from({ length: clients }, () => stall(peer, image)));
    await sleep(2000);
    const eachMib = (residentBytes(peer.pids) - residentBefore) / MIB / clients;
    const among = await pulls();
    for (const connection of idle) connection.close();

    const slower = among.medianMs / alone.medianMs;
    const facts: Fact[] = [
      { what: 'memory for each', value: `${eachMib.toFixed(2)} MiB`, reach: '< 1 MiB', reached: eachMib < 1 },
      { what: 'another client’s warm pull, wall time over that without them', value: slower.toFixed(2) },
      { what: 'the same, CPU', value: (among.cpu / alone.cpu).toFixed(2) },
    ];
    return [{ name: 'stalled', title, rows: [], facts }];
  },
};

async function stall(peer: Peer, image: Image): Promise<Connection> {
  const connection = await Connection.open(peer.way);
  const [blob] = image.layers;
  await new Promise<void>((resolve, reject) => {
    // The answer never ends; what matters is that it has begun.
    const answer = connection.request('GET', blobPath(image, { digest: blob?.digest ?? '' }), headersFor(peer), () => {
      connection.stall();
      resolve();
    });
    answer.catch(reject);
  });
  return connection;
}
