import { createCipheriv, createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { tarOf } from './tar.js';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: string };
}

/** One platform's image, by the digests of its parts. */
export interface PlatformImage {
  readonly architecture: string;
  readonly manifest: string;
  readonly config: string;
  readonly layers: readonly string[];
  /** Digests of the uncompressed layers, in the order of the layers. */
  readonly diffIds: readonly string[];
}

export interface SourceImage {
  /** An OCI layout; its one tag is `v1`. */
  readonly folder: string;
  /** What the tag points at: the manifest, or the index where there is more than one platform. */
  readonly root: string;
  /** The first is amd64, which every client here asks for. */
  readonly platforms: readonly [PlatformImage, ...PlatformImage[]];
}

export interface ImagePlan {
  /** The same seed gives the same image. */
  readonly seed: string;
  readonly layers: number;
  readonly layerBytes: number;
  readonly architectures?: readonly [string, ...string[]];
}

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Bytes that look random and depend on nothing but the seed. */
function noise(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Writes an image as an OCI layout. Layers are gzip without compression, since noise doesn't get smaller. */
export async function makeImage(folder: string, plan: ImagePlan): Promise<SourceImage> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });

  async function store(bytes: Buffer, mediaType: string): Promise<Descriptor> {
    const digest = sha256(bytes);
    await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
    return { mediaType, digest, size: bytes.length };
  }

  function storeJson(value: object, mediaType: string): Promise<Descriptor> {
    return store(Buffer.from(JSON.stringify(value)), mediaType);
  }

  async function makePlatform(architecture: string): Promise<{ image: PlatformImage; manifest: Descriptor }> {
    const layers: Descriptor[] = [];
    const diffIds: string[] = [];
    for (let i = 0; i < plan.layers; i++) {
      const tar = tarOf(`layer${i}.bin`, noise(`${plan.seed}/${architecture}/${i}`, plan.layerBytes));
      diffIds.push(sha256(tar));
      layers.push(await store(gzipSync(tar, { level: 0 }), 'application/vnd.oci.image.layer.v1.tar+gzip'));
    }
    const platform = { architecture, os: 'linux' };
    const created = '2024-01-01T00:00:00Z';
    const config = await storeJson(
      {
        ...platform,
        created,
        config: { Cmd: ['/layer0.bin'] },
        rootfs: { type: 'layers', diff_ids: diffIds },
        history: diffIds.map(() => ({ created, created_by: plan.seed })),
      },
      'application/vnd.oci.image.config.v1+json',
    );
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const manifest = await storeJson({ schemaVersion: 2, mediaType, config, layers }, mediaType);
    const image = {
      architecture,
      manifest: manifest.digest,
      config: config.digest,
      layers: layers.map((layer) => layer.digest),
      diffIds,
    };
    return { image, manifest: { ...manifest, platform } };
  }

  const [firstName, ...otherNames] = plan.architectures ?? ['amd64'];
  const first = await makePlatform(firstName);
  const others = [];
  for (const name of otherNames) others.push(await makePlatform(name));
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const manifests = [first, ...others].map(({ manifest }) => manifest);
  const root =
    others.length === 0 ? first.manifest : await storeJson({ schemaVersion: 2, mediaType, manifests }, mediaType);
  const tagged = { ...root, platform: undefined, annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [tagged] }));
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  return { folder, root: root.digest, platforms: [first.image, ...others.map(({ image }) => image)] };
}
