import type { Bench } from '../bench.js';
import type { BenchCase } from '../case.js';
import { Connection } from '../client.js';
import { compare } from '../compare.js';
import type { Image } from '../content.js';
import type { Peer } from '../peers/peer.js';
import { expect, headersFor, manifestPath, tagPath } from '../pull.js';

/** A connection, CONNECT and TLS for every request: the habit of dockerd before 29.4, and of older skopeo and podman. */
export const handshake: BenchCase = {
  name: 'handshake',
  run: async (bench) => {
    const image = await smallImage(bench, 'handshake');
    const result = await compare(bench, {
      name: 'handshake',
      title: `New CONNECT, TLS and a small GET, ${bench.sizes.handshakes} times`,
      reference: 'nginx',
      per: { unit: 'request', amount: bench.sizes.handshakes },
      peers: ['nginx', 'entrepot', 'nginx-mitm', 'squid'],
      prepare: async (peer) => {
        await grant(peer, image);
        await knock(peer, image, 50);
      },
      work: async (peer) => {
        await grant(peer, image);
        return knock(peer, image, bench.sizes.handshakes);
      },
    });
    return [result];
  },
};

async function knock(peer: Peer, image: Image, times: number): Promise<undefined> {
  const headers = headersFor(peer);
  for (let n = 0; n < times; n += 1) {
    const connection = await Connection.open(peer.way);
    await expect(connection.request('GET', manifestPath(image), headers), peer, manifestPath(image));
    connection.close();
  }
}

/** Asks for the tag, as clients do first: where access is checked, the yes covers what the manifest lists. */
export async function grant(peer: Peer, image: Image): Promise<void> {
  if (peer.name === 'nginx') return;
  const connection = await Connection.open(peer.way);
  await expect(connection.request('HEAD', tagPath(image), headersFor(peer)), peer, tagPath(image));
  connection.close();
}

export async function smallImage(bench: Bench, name: string): Promise<Image> {
  const layers = [];
  for (let n = 0; n < 4; n += 1) layers.push(await bench.content.blob(4096));
  return bench.content.image(name, layers);
}
