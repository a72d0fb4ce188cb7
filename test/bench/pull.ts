import { Connection } from './client.js';
import { type Blob, type Content, type Image, MANIFEST_TYPE } from './content.js';
import type { Peer } from './peers/peer.js';

// As long as a token of a public registry is, or nearly so.
const TOKEN = 'e'.repeat(800);

/** The headers of a client that has a token. */
export function headersFor({ way, takesAuthorization }: Peer): string {
  const { host, port } = way.target;
  const lines = [
    `Host: ${host}:${port}`,
    'User-Agent: containerd/v2.1.4',
    `Accept: ${MANIFEST_TYPE}, application/vnd.oci.image.index.v1+json, */*`,
    'Accept-Encoding: zstd;q=1.0, gzip;q=0.8, deflate;q=0.5',
  ];
  if (takesAuthorization) lines.push(`Authorization: Bearer ${TOKEN}`);
  return lines.map((line) => `${line}\r\n`).join('');
}

export function blobPath(image: Image, blob: Pick<Blob, 'digest'>): string {
  return `/v2/${image.repository}/blobs/${blob.digest}`;
}

export function manifestPath(image: Image): string {
  return `/v2/${image.repository}/manifests/${image.manifest.digest}`;
}

export function tagPath(image: Image): string {
  return `/v2/${image.repository}/manifests/${image.tag}`;
}

/** Reads a blob and compares every byte. Gives the time to its first byte; throws where anything is wrong. */
export async function pullBlob(
  connection: Connection,
  peer: Peer,
  content: Content,
  image: Image,
  blob: Blob,
): Promise<number> {
  let wrong = false;
  const sink = (bytes: Buffer, offset: number) => {
    if (!content.matches(blob, offset, bytes)) wrong = true;
  };
  const answer = await connection.request('GET', blobPath(image, blob), headersFor(peer), sink);
  if (answer.status !== 200) throw new Error(`${peer.name} answered ${answer.status} for ${blob.digest}`);
  if (wrong || answer.bodyBytes !== blob.sizeBytes) throw new Error(`${peer.name} gave wrong bytes for ${blob.digest}`);
  return answer.firstByteMs;
}

/**
 * Pulls an image as a client does: the tag, the manifest, then its layers over so many connections. Gives the time to the
 * first byte of the first layer.
 */
export async function pullImage(peer: Peer, content: Content, image: Image, connections: number): Promise<number> {
  const headers = headersFor(peer);
  const first = await Connection.open(peer.way);
  if (peer.name !== 'nginx') await expect(first.request('HEAD', tagPath(image), headers), peer, tagPath(image));
  await expect(first.request('GET', manifestPath(image), headers), peer, manifestPath(image));
  const waiting = [...image.layers];
  let firstByteMs = 0;

  async function run(connection: Connection): Promise<void> {
    for (let blob = waiting.shift(); blob; blob = waiting.shift()) {
      const ms = await pullBlob(connection, peer, content, image, blob);
      if (blob === image.layers[0]) firstByteMs = ms;
    }
    connection.close();
  }

  const rest = Array.from({ length: connections - 1 }, async () => run(await Connection.open(peer.way)));
  await Promise.all([run(first), ...rest]);
  return firstByteMs;
}

export async function expect(answer: Promise<{ status: number }>, peer: Peer, path: string): Promise<void> {
  const { status } = await answer;
  if (status !== 200) throw new Error(`${peer.name} answered ${status} for ${path}`);
}
