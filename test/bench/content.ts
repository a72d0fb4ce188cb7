import { createHash } from 'node:crypto';
import { mkdir, open, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Bytes that repeat at a length which is a multiple of nothing, so that a body in the wrong place is seen. */
const PATTERN_BYTES = 16 * 1024 * 1024 + 37;

export interface Blob {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Where in the pattern the blob begins: what tells one blob from another. */
  readonly shift: number;
}

export interface Image {
  readonly repository: string;
  readonly tag: string;
  readonly manifest: { readonly digest: string; readonly sizeBytes: number };
  readonly layers: readonly Blob[];
}

/** Makes images in the folder of a docker-registry, as a push would leave them there, and knows their bytes again. */
export interface Content {
  blob(sizeBytes: number): Promise<Blob>;
  image(name: string, layers: readonly Blob[]): Promise<Image>;
  /** Whether `bytes` are what stands at `offset` of the blob. */
  matches(blob: Blob, offset: number, bytes: Buffer): boolean;
}

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';

/** The file of a blob in a docker-registry's storage. */
export function blobFile(storage: string, digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}

export function createContent(storage: string): Content {
  const pattern = makePattern();
  let blobs = 0;

  /** The part of the pattern at a blob's offset, at most `wantBytes` long. */
  function piece(shift: number, offset: number, wantBytes: number): Buffer {
    const at = (shift + offset) % PATTERN_BYTES;
    return pattern.subarray(at, Math.min(PATTERN_BYTES, at + wantBytes));
  }

  async function blob(sizeBytes: number): Promise<Blob> {
    blobs += 1;
    const shift = (blobs * 7919) % PATTERN_BYTES;
    const draft = join(storage, `draft-${blobs}`);
    const hash = createHash('sha256');
    const file = await open(draft, 'w');
    for (let at = 0; at < sizeBytes; ) {
      const bytes = piece(shift, at, sizeBytes - at);
      hash.update(bytes);
      await file.write(bytes);
      at += bytes.length;
    }
    await file.close();
    const digest = `sha256:${hash.digest('hex')}`;
    await mkdir(dirname(blobFile(storage, digest)), { recursive: true });
    await rename(draft, blobFile(storage, digest));
    return { digest, sizeBytes, shift };
  }

  async function keep(bytes: Buffer): Promise<string> {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await write(blobFile(storage, digest), bytes);
    return digest;
  }

  async function image(name: string, layers: readonly Blob[]): Promise<Image> {
    const repository = `bench/${name}`;
    const tag = 'latest';
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', comment: name }));
    const configDigest = await keep(config);
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: { mediaType: CONFIG_TYPE, digest: configDigest, size: config.length },
        layers: layers.map(({ digest, sizeBytes }) => ({ mediaType: LAYER_TYPE, digest, size: sizeBytes })),
      }),
    );
    const manifestDigest = await keep(manifest);
    const folder = join(storage, 'docker/registry/v2/repositories', repository);
    const link = (path: string, digest: string) => write(join(folder, path, 'link'), digest);
    for (const digest of [configDigest, ...layers.map((layer) => layer.digest)]) {
      await link(`_layers/sha256/${digest.slice(7)}`, digest);
    }
    const hex = manifestDigest.slice(7);
    await link(`_manifests/revisions/sha256/${hex}`, manifestDigest);
    await link(`_manifests/tags/${tag}/current`, manifestDigest);
    await link(`_manifests/tags/${tag}/index/sha256/${hex}`, manifestDigest);
    return { repository, tag, manifest: { digest: manifestDigest, sizeBytes: manifest.length }, layers };
  }

  function matches({ shift }: Blob, offset: number, bytes: Buffer): boolean {
    for (let done = 0; done < bytes.length; ) {
      const expected = piece(shift, offset + done, bytes.length - done);
      if (expected.compare(bytes, done, done + expected.length) !== 0) return false;
      done += expected.length;
    }
    return true;
  }

  return { blob, image, matches };
}

/** The same on every machine, and nothing that a compressor could make smaller. */
function makePattern(): Buffer {
  const pattern = Buffer.alloc(PATTERN_BYTES);
  let seed = createHash('sha512').update('entrepot bench').digest();
  for (let at = 0; at < PATTERN_BYTES; at += seed.length) {
    seed.copy(pattern, at);
    seed = createHash('sha512').update(seed).digest();
  }
  return pattern;
}

async function write(path: string, bytes: Buffer | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
