import { ConfigError } from '../errors.js';
import type { Blob, Image, ImageNode } from '../inventory/contract.js';
import { formatImage, parseName } from '../inventory/image-name.js';
import { formatAge, formatBytes, formatCount } from './amounts.js';
import { nameCarriers } from './carriers-text.js';
import { type Command, renderJson, renderPairs } from './command.js';
import { describeNotHeld } from './not-held.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';
import { type Column, printable, renderTable } from './table.js';

const COLUMNS: readonly Column[] = [
  { title: 'PART' },
  { title: 'DIGEST' },
  { title: 'SIZE', align: 'right' },
  { title: 'HELD' },
  { title: 'USED' },
  { title: 'DELIVERED BY' },
];

export const cacheShow: Command = {
  words: ['cache', 'show'],
  summary: 'show an image with all its parts, or one content',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  operand: { metavar: 'image', help: 'an image, as docker.io/library/alpine:3.20, or a digest', count: 'one' },
  run: async (given, io) => {
    const [text = ''] = given.operands ?? [];
    const named = parseName(text);
    if (named.kind !== 'digest' && named.kind !== 'image') {
      throw new ConfigError([`${JSON.stringify(text)} is a ${named.kind}; entrepot cache ls lists its images.`]);
    }
    const found = await withInventory(given, io, async (inventory) => {
      const asked = named.kind === 'digest' ? inventory.blob(named.digest) : inventory.image(formatImage(named.image));
      const held = await asked;
      if (held === undefined) throw new Error(`${await describeNotHeld(inventory, text)}.`);
      return held;
    });
    const now = Date.now();
    if (given.json) io.out(renderJson(found));
    else io.out('tree' in found ? renderImage(found, now) : renderBlob(found, now));
    return 0;
  },
};

function renderImage(image: Image, now: number): string {
  const { digest, heldBytes, knownBytes, heldParts, knownParts, platforms, usedAt, pinned, tree, truncated } = image;
  const of = heldParts === knownParts ? '' : ` of ${formatBytes(knownBytes)} (${heldParts} of ${knownParts} parts)`;
  const pairs: [string, string][] = [
    ['image', printable(image.image)],
    ['digest', digest],
    ['held', `${formatBytes(heldBytes)}${of === '' ? ` (${formatCount(heldParts, 'part')})` : of}`],
    ['platforms', platforms.length === 0 ? 'none whole' : platforms.join(', ')],
    ['last use', formatAge(usedAt, now)],
    ['pinned', pinned ? 'yes' : 'no'],
  ];
  const rest = truncated ? 'It has more parts than are shown.\n' : '';
  return `${renderPairs(pairs)}\n${renderTable(COLUMNS, treeRows(tree, now))}${rest}`;
}

function renderBlob(
  { digest, sizeBytes, mediaType, storedAt, usedAt, pinned, repositories }: Blob,
  now: number,
): string {
  return renderPairs([
    ['digest', digest],
    ['size', `${formatBytes(sizeBytes)} (${sizeBytes} bytes)`],
    ['type', printable(mediaType ?? 'blob')],
    ['stored', formatAge(storedAt, now)],
    ['last use', formatAge(usedAt, now)],
    ['pinned', pinned ? 'yes' : 'no'],
    ['delivered by', repositories.length === 0 ? 'unknown' : printable(repositories.join(', '))],
  ]);
}

function treeRows(root: ImageNode, now: number): string[][] {
  const rows: string[][] = [];
  const add = (node: ImageNode, own: string, below: string): void => {
    rows.push([`${own}${labelOf(node)}`, ...cellsOf(node, now)]);
    const parts = node.parts ?? [];
    for (const [n, part] of parts.entries()) {
      const isLast = n === parts.length - 1;
      add(part, `${below}${isLast ? '└─ ' : '├─ '}`, `${below}${isLast ? '   ' : '│  '}`);
    }
  };
  add(root, '', '');
  return rows;
}

function labelOf({ kind, platform }: ImageNode): string {
  return platform === undefined ? kind : `${kind} ${platform}`;
}

function cellsOf({ digest, sizeBytes, held, usedAt, pinned, repositories = [] }: ImageNode, now: number): string[] {
  const state = held ? 'yes' : 'no';
  const used = usedAt === undefined ? '' : formatAge(usedAt, now);
  return [digest, formatBytes(sizeBytes), pinned === true ? 'pinned' : state, used, nameCarriers(repositories)];
}
