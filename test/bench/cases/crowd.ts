import type { Bench } from '../bench.js';
import type { BenchCase, CaseResult, Fact, Row } from '../case.js';
import { Connection } from '../client.js';
import { measure } from '../compare.js';
import type { Image } from '../content.js';
import type { Peer, PeerName } from '../peers/peer.js';
import { expect, headersFor, pullBlob, tagPath } from '../pull.js';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** Many clients that want the same large blob, which nobody has, at the same moment. */
export const crowd: BenchCase = {
  name: 'crowd',
  run: async (bench) => {
    const { crowd: clients, crowdBlobBytes } = bench.sizes;
    bench.progress('crowd: making the blob');
    const image = await bench.content.image('crowd', [await bench.content.blob(crowdBlobBytes)]);
    const rows: Row[] = [];
    const facts: Fact[] = [];
    for (const name of (['nginx-cache', 'entrepot'] as const).filter(bench.isWanted)) {
      bench.progress(`crowd: ${clients} clients of ${name}`);
      const peer = await bench.emptied(name);
      if (typeof peer === 'string') rows.push({ peer: name, title: bench.titleOf(name), samples: [], missing: peer });
      else await storm(bench, name, peer, image, rows, facts);
    }
    const result: CaseResult = {
      name: 'crowd',
      title: `${clients} clients, one cold blob of ${crowdBlobBytes / MIB} MiB`,
      reference: 'nginx-cache',
      per: { unit: 'GiB', amount: (clients * crowdBlobBytes) / GIB },
      rows,
      facts,
    };
    return [result];
  },
};

async function storm(bench: Bench, name: PeerName, peer: Peer, image: Image, rows: Row[], facts: Fact[]) {
  const [blob] = image.layers;
  if (blob === undefined) return;
  const doneMs: number[] = [];
  const asked = async () => (await bench.upstream.seen()).filter((one) => isGetOf(one, blob.digest)).length;
  const before = await asked();
  const sample = await measure(bench, peer, async () => {
    const connections = await Promise.all(Array.from({ length: bench.sizes.crowd }, () => Connection.open(peer.way)));
    const [first] = connections;
    if (first) await expect(first.request('HEAD', tagPath(image), headersFor(peer)), peer, tagPath(image));
    const startedAt = performance.now();
    await Promise.all(
      connections.map(async (connection) => {
        await pullBlob(connection, peer, bench.content, image, blob);
        doneMs.push(performance.now() - startedAt);
        connection.close();
      }),
    );
    return undefined;
  });
  rows.push({ peer: name, title: bench.titleOf(name), samples: [sample] });
  const gets = (await asked()) - before;
  const lastOverFirst = Math.max(...doneMs) / Math.min(...doneMs);
  const peakMib = (sample.peakBytes ?? 0) / MIB;
  // Only ours has something to reach; the others are there to compare with.
  const ours = name === 'entrepot';
  facts.push(
    {
      what: `${name}: GETs of the blob upstream`,
      value: String(gets),
      ...(ours && { reach: '1', reached: gets === 1 }),
    },
    {
      what: `${name}: peak memory`,
      value: `${peakMib.toFixed(0)} MiB`,
      ...(ours && { reach: '< 256 MiB', reached: peakMib < 256 }),
    },
    {
      what: `${name}: last client done over first`,
      value: lastOverFirst.toFixed(2),
      ...(ours && { reach: '≤ 1.3', reached: lastOverFirst <= 1.3 }),
    },
  );
}

function isGetOf({ method, path }: { method: string; path: string }, digest: string): boolean {
  return method === 'GET' && path.endsWith(`/blobs/${digest}`);
}
