import type { StoredEntry } from '../cache/contract.js';
import { ConfigError } from '../errors.js';
import type { BlobQuery, ImageQuery, ImageSummary, InventoryOperations } from '../inventory/contract.js';
import { formatRepository, parseName } from '../inventory/image-name.js';
import { formatAge, formatBytes } from './amounts.js';
import type { Command, CommandArguments, CommandIo } from './command.js';
import { beginJsonList } from './json-list.js';
import { describeNotHeld } from './not-held.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';
import { type Column, renderTable } from './table.js';

const PAGE_LIMIT = 100;
const SORTS = ['used', 'size', 'digest'] as const;

const IMAGE_COLUMNS: readonly Column[] = [
  { title: 'IMAGE' },
  { title: 'DIGEST' },
  { title: 'HELD', align: 'right' },
  { title: 'PARTS', align: 'right' },
  { title: 'PLATFORMS' },
  { title: 'USED' },
];

const BLOB_COLUMNS: readonly Column[] = [
  { title: 'DIGEST' },
  { title: 'SIZE', align: 'right' },
  { title: 'USED' },
  { title: 'PINNED' },
  { title: 'TYPE' },
];

export const cacheLs: Command = {
  words: ['cache', 'ls'],
  summary: 'list the images that are stored, or all contents',
  options: ['data-dir'],
  takesJson: true,
  flags: [
    ADMIN_FLAG,
    { name: 'blobs', help: 'list all contents in place of images' },
    {
      name: 'sort',
      metavar: 'ORDER',
      help: 'of contents: used (the longest unused first), size or digest (default: used)',
    },
    { name: 'limit', metavar: 'N', help: 'list so many at most' },
  ],
  operand: { metavar: 'name', help: 'only images of this registry or repository', count: 'at-most-one' },
  run: async (given, io) => {
    const request = readRequest(given);
    const [name] = given.operands ?? [];
    await withInventory(given, io, async (inventory) => {
      if (given.own?.['blobs'] === true) return listBlobs(inventory, request, given, io);
      const count = await listImages(inventory, request, given, io);
      if (count === 0 && name !== undefined) io.error(`entrepot: ${await describeNotHeld(inventory, name)}\n`);
    });
    return 0;
  },
};

interface ListRequest {
  readonly limit: number;
  readonly sort: BlobQuery['sort'];
  readonly filter: Pick<ImageQuery, 'registry' | 'repository'>;
}

function readRequest({ own = {}, operands = [] }: CommandArguments): ListRequest {
  const { limit, sort = 'used', blobs } = own;
  const problems: string[] = [];
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(String(limit)))
    problems.push(`--limit: ${JSON.stringify(limit)} is not a count; write a whole number from 1 on.`);
  if (!SORTS.some((known) => known === sort))
    problems.push(`--sort: ${JSON.stringify(sort)} is no order; write used, size or digest.`);
  if (own['sort'] !== undefined && blobs !== true)
    problems.push('--sort is for --blobs; images are in the order of their names.');
  const [name] = operands;
  if (name !== undefined && blobs === true)
    problems.push('--blobs lists all contents, whatever image they belong to; leave the name out.');
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    limit: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit),
    sort: sort as BlobQuery['sort'],
    filter: name === undefined ? {} : filterOf(name),
  };
}

function filterOf(text: string): ListRequest['filter'] {
  const named = parseName(text);
  if (named.kind === 'registry') return { registry: named.registry };
  if (named.kind === 'repository') return { repository: formatRepository(named.repository) };
  throw new ConfigError([`${JSON.stringify(text)} is a single image or content; entrepot cache show tells of it.`]);
}

async function listImages(
  inventory: InventoryOperations,
  { limit, filter }: ListRequest,
  { json }: CommandArguments,
  io: CommandIo,
): Promise<number> {
  const pages = (cursor: string | undefined, count: number) =>
    inventory
      .images({ ...filter, limit: count, ...(cursor === undefined ? {} : { cursor }) })
      .then(({ images, next }) => ({ items: images, next }));
  return listPages(pages, limit, json, io, IMAGE_COLUMNS, imageRow);
}

async function listBlobs(
  inventory: InventoryOperations,
  { limit, sort }: ListRequest,
  { json }: CommandArguments,
  io: CommandIo,
): Promise<void> {
  const pages = (cursor: string | undefined, count: number) =>
    inventory
      .blobs({ sort, limit: count, ...(cursor === undefined ? {} : { cursor }) })
      .then(({ blobs, next }) => ({ items: blobs, next }));
  await listPages(pages, limit, json, io, BLOB_COLUMNS, blobRow);
}

/** Prints page after page as they come, so that a long listing takes no more memory than a short one. Gives their number. */
async function listPages<T>(
  pageAt: (
    cursor: string | undefined,
    count: number,
  ) => Promise<{ readonly items: readonly T[]; readonly next?: string | undefined }>,
  limit: number,
  json: boolean,
  io: CommandIo,
  columns: readonly Column[],
  rowOf: (item: T, now: number) => string[],
): Promise<number> {
  const list = json ? beginJsonList((text) => io.out(text)) : undefined;
  let left = limit;
  let count = 0;
  let cursor: string | undefined;
  let isFirst = true;
  do {
    const { items, next } = await pageAt(cursor, Math.min(left, PAGE_LIMIT));
    if (list !== undefined) list.add(items);
    else if (items.length > 0 || (next === undefined && isFirst)) {
      const now = Date.now();
      const rows = items.map((item) => rowOf(item, now));
      io.out(renderTable(columns, rows, isFirst));
      isFirst = false;
    }
    left -= items.length;
    count += items.length;
    cursor = next;
  } while (cursor !== undefined && left > 0 && io.isRead());
  list?.end();
  return count;
}

function imageRow(image: ImageSummary, now: number): string[] {
  const { digest, heldBytes, heldParts, knownParts, platforms, usedAt, pinned } = image;
  return [
    image.image,
    shortDigest(digest),
    formatBytes(heldBytes),
    heldParts === knownParts ? String(heldParts) : `${heldParts} of ${knownParts}`,
    platforms.join(' '),
    `${formatAge(usedAt, now)}${pinned ? ', pinned' : ''}`,
  ];
}

function blobRow({ digest, sizeBytes, usedAt, pinned, mediaType = '' }: StoredEntry, now: number): string[] {
  return [digest, formatBytes(sizeBytes), formatAge(usedAt, now), pinned ? 'yes' : '', mediaType];
}

function shortDigest(digest: string): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}
