import { createCipheriv, createHash } from 'node:crypto';

export type TestAlgorithm = 'sha256' | 'sha512';

export interface TestBlob {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface TestManifest {
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
}

export interface TestImage extends TestManifest {
  readonly config: TestBlob;
  readonly layers: readonly TestBlob[];
}

export interface TestIndex extends TestManifest {
  readonly images: readonly TestImage[];
}

export interface ImageSpec {
  readonly layers?: readonly Uint8Array[];
  readonly format?: 'oci' | 'docker';
  readonly algorithm?: TestAlgorithm;
  /** Makes two images of the same layers differ. */
  readonly label?: string;
}

interface Repository {
  readonly blobs: Set<string>;
  readonly manifests: Map<string, TestManifest>;
  readonly tags: Map<string, string>;
}

const TYPES = {
  oci: {
    manifest: 'application/vnd.oci.image.manifest.v1+json',
    index: 'application/vnd.oci.image.index.v1+json',
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    manifest: 'application/vnd.docker.distribution.manifest.v2+json',
    index: 'application/vnd.docker.distribution.manifest.list.v2+json',
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const;

const PLATFORMS = ['amd64', 'arm64', 's390x', 'ppc64le'];

/** Bytes that look random and are the same for the same seed. */
export function seededBytes(sizeBytes: number, seed: string | number): Buffer {
  const key = createHash('sha256').update(`seed ${seed}`).digest();
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16));
  return cipher.update(Buffer.alloc(sizeBytes));
}

export function digestText(bytes: Uint8Array, algorithm: TestAlgorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

/** What a registry holds. */
export class RegistryContent {
  readonly blobs = new Map<string, Buffer>();
  readonly repositories = new Map<string, Repository>();

  repository(name: string): Repository {
    let repository = this.repositories.get(name);
    if (repository === undefined) {
      repository = { blobs: new Set(), manifests: new Map(), tags: new Map() };
      this.repositories.set(name, repository);
    }
    return repository;
  }

  addBlob(name: string, bytes: Uint8Array, options: { algorithm?: TestAlgorithm; mediaType?: string } = {}): TestBlob {
    const digest = digestText(bytes, options.algorithm);
    const kept = Buffer.from(bytes);
    this.blobs.set(digest, kept);
    this.repository(name).blobs.add(digest);
    return { digest, bytes: kept, mediaType: options.mediaType ?? TYPES.oci.layer };
  }

  /** Puts a manifest under its digest and, where given, a tag. A Buffer is taken byte for byte. */
  addManifest(
    name: string,
    document: object | Buffer,
    mediaType: string,
    options: { tag?: string; algorithm?: TestAlgorithm } = {},
  ): TestManifest {
    const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document, undefined, 3));
    const manifest = { digest: digestText(bytes, options.algorithm), bytes, mediaType };
    const repository = this.repository(name);
    repository.manifests.set(manifest.digest, manifest);
    if (options.tag !== undefined) repository.tags.set(options.tag, manifest.digest);
    return manifest;
  }

  addImage(name: string, tag: string | undefined, spec: ImageSpec = {}): TestImage {
    const types = TYPES[spec.format ?? 'oci'];
    const algorithm = spec.algorithm ?? 'sha256';
    const contents = spec.layers ?? [1, 2, 3].map((n) => seededBytes(50_000 * n, `${name} ${tag} ${spec.label} ${n}`));
    const layers = contents.map((bytes) => this.addBlob(name, bytes, { algorithm, mediaType: types.layer }));
    const rootfs = { type: 'layers', diff_ids: layers.map((layer) => layer.digest) };
    const configBytes = Buffer.from(
      JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs, label: spec.label ?? '' }),
    );
    const config = this.addBlob(name, configBytes, { algorithm, mediaType: types.config });
    const document = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config),
      layers: layers.map(descriptorOf),
    };
    const manifest = this.addManifest(name, document, types.manifest, {
      algorithm,
      ...(tag === undefined ? {} : { tag }),
    });
    return { ...manifest, config, layers };
  }

  /** An index of images, for linux/amd64, arm64 and so on in their order. */
  addIndex(
    name: string,
    tag: string | undefined,
    images: readonly TestImage[],
    format: 'oci' | 'docker' = 'oci',
  ): TestIndex {
    const mediaType = TYPES[format].index;
    const manifests = images.map((image, i) => ({
      ...descriptorOf(image),
      platform: { os: 'linux', architecture: PLATFORMS[i] ?? `arch${i}` },
    }));
    const document = { schemaVersion: 2, mediaType, manifests };
    return { ...this.addManifest(name, document, mediaType, tag === undefined ? {} : { tag }), images };
  }

  /** An OCI manifest that is attached to another: an SBOM or a signature. */
  addArtifact(
    name: string,
    subject: TestManifest,
    bytes: Uint8Array,
    artifactType = 'application/spdx+json',
  ): TestImage {
    const config = this.addBlob(name, Buffer.from('{}'), { mediaType: 'application/vnd.oci.empty.v1+json' });
    const layer = this.addBlob(name, bytes, { mediaType: artifactType });
    const document = {
      schemaVersion: 2,
      mediaType: TYPES.oci.manifest,
      artifactType,
      config: descriptorOf(config),
      layers: [descriptorOf(layer)],
      subject: descriptorOf(subject),
    };
    return { ...this.addManifest(name, document, TYPES.oci.manifest), config, layers: [layer] };
  }

  moveTag(name: string, tag: string, digest: string): void {
    this.repository(name).tags.set(tag, digest);
  }

  findManifest(name: string, reference: string): TestManifest | undefined {
    const repository = this.repositories.get(name);
    return repository?.manifests.get(repository.tags.get(reference) ?? reference);
  }

  findBlob(name: string, digest: string): Buffer | undefined {
    return this.repositories.get(name)?.blobs.has(digest) === true ? this.blobs.get(digest) : undefined;
  }
}

export function descriptorOf(content: TestBlob | TestManifest): { mediaType: string; digest: string; size: number } {
  return { mediaType: content.mediaType, digest: content.digest, size: content.bytes.length };
}
