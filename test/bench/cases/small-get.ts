import type { BenchCase } from '../case.js';
import { Connection } from '../client.js';
import { compare } from '../compare.js';
import type { Image } from '../content.js';
import type { Peer } from '../peers/peer.js';
import { expect, headersFor, manifestPath, tagPath } from '../pull.js';
import { grant, smallImage } from './handshake.js';

/** Small GETs one after the other on a connection that is kept. */
export const smallGet: BenchCase = {
  name: 'small-get',
  run: async (bench) => {
    const image = await smallImage(bench, 'small-get');
    const { smallGets } = bench.sizes;
    const result = await compare(bench, {
      name: 'small-get',
      title: `Small GET on a kept connection, granted, ${smallGets} times`,
      reference: 'nginx',
      per: { unit: 'request', amount: smallGets },
      peers: ['nginx', 'entrepot', 'nginx-mitm', 'mirror', 'squid'],
      prepare: async (peer) => {
        await grant(peer, image);
        await repeat(peer, 'GET', manifestPath(image), 500);
      },
      work: async (peer) => {
        await grant(peer, image);
        return repeat(peer, 'GET', manifestPath(image), smallGets);
      },
    });
    return [result];
  },
};

/** HEAD of a tag, which goes to the registry every time. */
export const tagHead: BenchCase = {
  name: 'tag-head',
  run: async (bench) => {
    const image: Image = await smallImage(bench, 'tag-head');
    const { tagHeads } = bench.sizes;
    const result = await compare(bench, {
      name: 'tag-head',
      title: `HEAD by tag on a kept connection, ${tagHeads} times; every one asks the registry`,
      reference: 'nginx-cache',
      per: { unit: 'request', amount: tagHeads },
      peers: ['nginx-cache', 'entrepot', 'nginx-mitm', 'mirror', 'squid', 'direct'],
      prepare: async (peer) => {
        await repeat(peer, 'HEAD', tagPath(image), 100);
      },
      work: (peer) => repeat(peer, 'HEAD', tagPath(image), tagHeads),
    });
    return [result];
  },
};

async function repeat(peer: Peer, method: 'GET' | 'HEAD', path: string, times: number): Promise<undefined> {
  const headers = headersFor(peer);
  const connection = await Connection.open(peer.way);
  for (let n = 0; n < times; n += 1) await expect(connection.request(method, path, headers), peer, path);
  connection.close();
}
