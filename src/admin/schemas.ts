import type { JsonSchema } from './route.js';

const TEXT = { type: 'string' };
const COUNT = { type: 'integer', minimum: 0 };
const YES_OR_NO = { type: 'boolean' };
const TIME = { type: 'integer', description: 'milliseconds since the epoch' };

/** A digest, as a parameter or in a body. */
export const DIGEST: JsonSchema = {
  type: 'string',
  pattern: '^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$',
  description: 'a digest: sha256: and 64, or sha512: and 128, lower-case hex digits',
};

export const LIMIT: JsonSchema = {
  type: 'integer',
  minimum: 1,
  maximum: 1000,
  default: 100,
  description: 'how many a page holds at most, from 1 to 1000',
};

export const CURSOR: JsonSchema = { type: 'string', maxLength: 4000, description: 'next of the page before' };

export const IMAGE_NAME: JsonSchema = {
  type: 'string',
  maxLength: 1000,
  description: 'an image, as docker.io/library/alpine:3.20 or with @ and a digest',
};
export const REPOSITORY_NAME: JsonSchema = {
  type: 'string',
  maxLength: 1000,
  description: 'a repository, as docker.io/library/alpine',
};
export const REGISTRY_NAME: JsonSchema = { type: 'string', maxLength: 300, description: 'a registry, as docker.io' };

/** An object of exactly these properties; those whose names end in `?` may be missing. */
export function objectOf(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const names = Object.keys(properties);
  return {
    type: 'object',
    additionalProperties: false,
    required: names.filter((name) => !name.endsWith('?')),
    properties: Object.fromEntries(names.map((name) => [name.replace(/\?$/, ''), properties[name]])),
  };
}

export function listOf(items: JsonSchema): JsonSchema {
  return { type: 'array', items };
}

export function shared(name: keyof typeof SHARED): JsonSchema {
  return { $ref: `${name}#` };
}

const ENTRY = {
  digest: DIGEST,
  sizeBytes: COUNT,
  'mediaType?': TEXT,
  storedAt: TIME,
  usedAt: TIME,
  pinned: YES_OR_NO,
};

const SUMMARY = {
  image: IMAGE_NAME,
  registry: REGISTRY_NAME,
  repository: TEXT,
  'tag?': TEXT,
  digest: DIGEST,
  mediaType: TEXT,
  heldBytes: COUNT,
  knownBytes: COUNT,
  heldParts: COUNT,
  knownParts: COUNT,
  platforms: listOf(TEXT),
  usedAt: TIME,
  storedAt: TIME,
  pinned: YES_OR_NO,
};

const AMOUNT = objectOf({ entries: COUNT, bytes: COUNT });

/** Schemas that have a name, in the OpenAPI document too. */
export const SHARED = {
  Error: objectOf({ error: { type: 'string', description: 'what is wrong, in a sentence' } }),
  Entry: objectOf(ENTRY),
  Blob: objectOf({ ...ENTRY, repositories: listOf(TEXT) }),
  BlobPage: objectOf({ blobs: listOf({ $ref: 'Entry#' }), 'next?': CURSOR }),
  ImageSummary: objectOf(SUMMARY),
  ImagePage: objectOf({ images: listOf({ $ref: 'ImageSummary#' }), 'next?': CURSOR }),
  ImageNode: objectOf({
    digest: DIGEST,
    kind: { type: 'string', enum: ['index', 'manifest', 'attestation', 'config', 'layer', 'blob'] },
    mediaType: TEXT,
    sizeBytes: COUNT,
    'platform?': TEXT,
    held: YES_OR_NO,
    'pinned?': YES_OR_NO,
    'usedAt?': TIME,
    'storedAt?': TIME,
    'repositories?': listOf(TEXT),
    'parts?': listOf({ $ref: 'ImageNode#' }),
  }),
  Image: objectOf({ ...SUMMARY, tree: { $ref: 'ImageNode#' }, truncated: YES_OR_NO }),
  RemovalReport: objectOf({
    dryRun: YES_OR_NO,
    removed: AMOUNT,
    shared: AMOUNT,
    pinned: AMOUNT,
    used: AMOUNT,
    failed: AMOUNT,
    tags: COUNT,
    sharedWith: listOf(TEXT),
    items: listOf(
      objectOf({
        digest: DIGEST,
        sizeBytes: COUNT,
        outcome: { type: 'string', enum: ['removed', 'shared', 'pinned', 'used', 'failed'] },
        'sharedWith?': TEXT,
      }),
    ),
    aborted: YES_OR_NO,
  }),
  Pin: objectOf({ digest: DIGEST, tree: YES_OR_NO, pinnedAt: TIME }),
  PinPage: objectOf({ pins: listOf({ $ref: 'Pin#' }), 'next?': CURSOR }),
  Unpinned: objectOf({ digest: DIGEST }),
  VerifyReport: objectOf({
    checked: COUNT,
    checkedBytes: COUNT,
    bad: COUNT,
    missing: COUNT,
    unreadable: COUNT,
    badDigests: listOf(DIGEST),
    aborted: YES_OR_NO,
  }),
} as const satisfies Readonly<Record<string, JsonSchema>>;
