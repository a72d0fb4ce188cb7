import { type Digest, parseDigest } from './digest.js';
import {
  bareMediaType,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  isManifestType,
  OCI_ARTIFACT_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
} from './media-types.js';

/** What a manifest says of one piece of content that belongs to it. */
export interface Descriptor {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Whether the content is asked for under `/manifests/` or under `/blobs/`. */
  readonly kind: 'manifest' | 'blob';
  /** True for a layer that names `urls` of its own: the registry need not hold it. */
  readonly foreign: boolean;
}

export interface Manifest {
  readonly mediaType: string;
  /** Everything the manifest lists, in its order: config and layers, child manifests, or artifact blobs. */
  readonly descriptors: readonly Descriptor[];
  /** The manifest that this one is attached to. It is no part of this one's tree. */
  readonly subject: Digest | undefined;
}

/** Registries accept manifests up to this size; a larger one is passed on and never read. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * A manifest of more elements and members than this is passed on and never read: 4 MiB of small ones take JSON.parse 400 ms,
 * in which nobody else is served. Room for 2,500 plain descriptors, or 1,000 with platform and annotations.
 */
export const MAX_MANIFEST_PARTS = 10_000;

/** What begins a part in JSON: a comma, an opening brace or bracket. Those within strings count, too. */
const COMMA = 0x2c;
const BRACE = 0x7b;
const BRACKET = 0x5b;

const FIELDS = new Map<string, readonly string[]>([
  [OCI_MANIFEST, ['config', 'layers']],
  [DOCKER_MANIFEST, ['config', 'layers']],
  [OCI_INDEX, ['manifests']],
  [DOCKER_LIST, ['manifests']],
  [OCI_ARTIFACT_MANIFEST, ['blobs']],
]);

const LISTING_FIELDS = ['config', 'layers', 'manifests', 'blobs', 'fsLayers'];
const READ_FIELDS = new Map(
  [...LISTING_FIELDS, 'mediaType', 'schemaVersion', 'subject'].map((field) => [field.toLowerCase(), field]),
);

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads which content a manifest lists. Gives undefined where two readers could read it in two ways (Content-Type
 * and embedded type disagree, layers and manifests stand in one document, a field is spelled in another case), where
 * it is not a manifest of a kind with descriptors (schema 1), or is larger than 4 MiB or 10,000 parts. Rights are derived
 * from the result, so doubt means no. The bytes are not checked against a digest here.
 * @see https://github.com/advisories/GHSA-77vh-xpmg-72qh
 */
export function readManifest(bytes: Uint8Array, contentType: string): Manifest | undefined {
  const mediaType = bareMediaType(contentType);
  const fields = FIELDS.get(mediaType);
  if (fields === undefined || bytes.length > MAX_MANIFEST_BYTES || hasTooManyParts(bytes)) return undefined;
  const document = parseObject(bytes);
  if (document === undefined || !isUnambiguous(document, mediaType, fields)) return undefined;
  const listed = fields.flatMap((field) => listOf(document, field));
  const descriptors = readDescriptors(listed, fields.includes('manifests'));
  const subject = document['subject'] === undefined ? undefined : readDescriptor(document['subject'], true);
  if (descriptors === undefined || subject === null) return undefined;
  return { mediaType, descriptors, subject: subject?.digest };
}

function hasTooManyParts(bytes: Uint8Array): boolean {
  if (bytes.length <= MAX_MANIFEST_PARTS) return false;
  let parts = 0;
  for (const byte of bytes) {
    if (byte !== COMMA && byte !== BRACE && byte !== BRACKET) continue;
    parts += 1;
    if (parts > MAX_MANIFEST_PARTS) return true;
  }
  return false;
}

function parseObject(bytes: Uint8Array): Json | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isUnambiguous(document: Json, mediaType: string, fields: readonly string[]): boolean {
  // Readers written in Go match field names in any case.
  const respelled = Object.keys(document).some((key) => (READ_FIELDS.get(key.toLowerCase()) ?? key) !== key);
  if (respelled) return false;
  if (LISTING_FIELDS.some((field) => document[field] !== undefined && !fields.includes(field))) return false;
  if (mediaType !== OCI_ARTIFACT_MANIFEST && document['schemaVersion'] !== 2) return false;
  const embedded = document['mediaType'];
  return embedded === mediaType || (embedded === undefined && (mediaType === OCI_MANIFEST || mediaType === OCI_INDEX));
}

/** What a field lists; a field of the wrong type gives a list that no descriptor can be read from. */
function listOf(document: Json, field: string): readonly unknown[] {
  const value = document[field];
  if (field === 'config') return [value];
  if (field === 'blobs' && value === undefined) return [];
  return Array.isArray(value) ? value : [undefined];
}

function readDescriptors(listed: readonly unknown[], areManifests: boolean): Descriptor[] | undefined {
  const descriptors: Descriptor[] = [];
  for (const value of listed) {
    const descriptor = readDescriptor(value, areManifests);
    if (descriptor === null) return undefined;
    if (descriptor !== undefined) descriptors.push(descriptor);
  }
  return descriptors;
}

/** A descriptor; undefined where its digest is of a kind we don't store, null where it is no descriptor at all. */
function readDescriptor(value: unknown, isManifest: boolean): Descriptor | undefined | null {
  if (!isObject(value)) return null;
  const { digest, size, mediaType, urls } = value;
  if (typeof digest !== 'string' || typeof mediaType !== 'string') return null;
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return null;
  const parsed = parseDigest(digest);
  if (parsed === undefined) return undefined;
  return {
    digest: parsed,
    sizeBytes: size,
    mediaType,
    kind: isManifest && isManifestType(mediaType) ? 'manifest' : 'blob',
    foreign: Array.isArray(urls) && urls.length > 0,
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
