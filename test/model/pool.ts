import { createHash } from 'node:crypto';
import { type Digest, digestOf } from '../../src/oci/digest.js';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';

/** One piece of content that the model's registries hand around. Everybody knows all digests; nobody else has the bytes. */
export interface Content {
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly kind: 'manifest' | 'blob';
  readonly mediaType: string;
  /** The digests that an answer for this one covers: itself, and what lies below it, four levels deep. */
  readonly covers: ReadonlySet<Digest>;
}

/** All blobs are of one length, so that no length ever tells two of them apart. */
const BLOB_BYTES = 64;
/** A piece of a blob this long belongs to that blob alone. */
export const TELLING_BYTES = 8;
const MAX_LEVELS = 4;

function digestOfBytes(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'));
}

function blob(name: string): Content {
  const bytes = createHash('sha512').update(`model ${name}`).digest().subarray(0, BLOB_BYTES);
  const digest = digestOfBytes(bytes);
  return { digest, bytes, kind: 'blob', mediaType: 'application/octet-stream', covers: new Set([digest]) };
}

function levelsBelow(children: readonly Content[], level: number, into: Set<Digest>): void {
  for (const child of children) {
    into.add(child.digest);
    const below = CHILDREN.get(child.digest);
    if (below && level < MAX_LEVELS) levelsBelow(below, level + 1, into);
  }
}

const CHILDREN = new Map<Digest, readonly Content[]>();

function manifest(name: string, mediaType: string, children: readonly Content[]): Content {
  const [first, ...others] = children.map((child) => ({
    mediaType: child.mediaType,
    digest: child.digest,
    size: child.bytes.length,
  }));
  const lists = mediaType === OCI_INDEX ? { manifests: [first, ...others] } : { config: first, layers: others };
  const document = { annotations: { id: name }, schemaVersion: 2, mediaType, ...lists };
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = digestOfBytes(bytes);
  CHILDREN.set(digest, children);
  const covers = new Set([digest]);
  levelsBelow(children, 1, covers);
  return { digest, bytes, kind: 'manifest', mediaType, covers };
}

const [one, two, three] = [blob('one'), blob('two'), blob('three')];
const app = manifest('app', OCI_MANIFEST, [one, two]);
const base = manifest('base', OCI_MANIFEST, [two, three]);
const both = manifest('both', OCI_INDEX, [app, base]);
// Five levels above the blobs: an answer for the outermost does not reach them.
const deep = manifest('deep', OCI_INDEX, [
  manifest('d3', OCI_INDEX, [manifest('d2', OCI_INDEX, [manifest('d1', OCI_INDEX, [base])])]),
]);

export const POOL: readonly Content[] = [one, two, three, app, base, both, deep];
const ALL: readonly Content[] = [...POOL, ...[...CHILDREN.values()].flat()];
const BY_DIGEST = new Map(ALL.map((content) => [content.digest, content]));
const BY_PIECE = new Map<string, Content>();
const BY_NAME = new Map<string, Content>();
for (const content of ALL) {
  const text = content.bytes.toString('latin1');
  if (content.kind === 'manifest') BY_NAME.set(text.slice(0, text.indexOf('}')), content);
  else for (let i = 0; i + TELLING_BYTES <= BLOB_BYTES; i += 1) BY_PIECE.set(text.slice(i, i + TELLING_BYTES), content);
}

export function contentOf(digest: string): Content | undefined {
  return BY_DIGEST.get(digest as Digest);
}

/** Whose bytes these are: told by what was sent, whatever it was asked for and whatever the headers say. */
export function ownerOf(bytes: Buffer): Content | undefined {
  const text = bytes.toString('latin1');
  return BY_PIECE.get(text.slice(0, TELLING_BYTES)) ?? BY_NAME.get(text.slice(0, text.indexOf('}')));
}
