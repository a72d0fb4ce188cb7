import { ConfigError } from '../errors.js';
import type { PinTarget } from '../inventory/contract.js';
import { formatImage, parseName } from '../inventory/image-name.js';
import type { Digest } from '../oci/digest.js';
import { formatAge } from './amounts.js';
import { nameCarriers } from './carriers-text.js';
import { type Command, type CommandArguments, type CommandIo, renderJson } from './command.js';
import { beginJsonList } from './json-list.js';
import { describeNotHeld } from './not-held.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';
import { type Column, renderTable } from './table.js';

const PAGE_LIMIT = 1000;
const COLUMNS: readonly Column[] = [{ title: 'DIGEST' }, { title: 'PINNED' }, { title: 'DELIVERED BY' }];

export const cachePin: Command = {
  words: ['cache', 'pin'],
  summary: 'keep images or contents from being evicted or removed; without names, list the pins',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  operand: { metavar: 'name', help: 'an image, as docker.io/library/alpine:3.20, or a digest', count: 'any' },
  run: async (given, io) => {
    if ((given.operands ?? []).length === 0) return listPins(given, io);
    return forEach(given, io, describeNotHeld, 'Pinned', (inventory, target) => inventory.pin(target));
  },
};

export const cacheUnpin: Command = {
  words: ['cache', 'unpin'],
  summary: 'let pinned images or contents go again',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  operand: { metavar: 'name', help: 'an image, as docker.io/library/alpine:3.20, or a digest', count: 'any' },
  run: async (given, io) => {
    if ((given.operands ?? []).length === 0) throw new ConfigError(['Say what to unpin: an image or a digest.']);
    return forEach(given, io, describeNotPinned, 'Unpinned', (inventory, target) => inventory.unpin(target));
  },
};

type Inventory = Parameters<Parameters<typeof withInventory>[2]>[0];

/** Does the same with all that is named, and tells of each. Gives the exit code. */
async function forEach(
  given: CommandArguments,
  io: CommandIo,
  describeProblem: (inventory: Inventory, name: string) => Promise<string>,
  done: string,
  task: (inventory: Inventory, target: PinTarget) => Promise<object | undefined>,
): Promise<number> {
  const names = given.operands ?? [];
  const targets = names.map(targetOf);
  return withInventory(given, io, async (inventory) => {
    // In the order of the names; of what is not there, nothing.
    const results: (object | null)[] = [];
    for (const [n, target] of targets.entries()) {
      const result = await task(inventory, target);
      results.push(result ?? null);
      if (result === undefined) io.error(`entrepot: ${await describeProblem(inventory, names[n] ?? '')}\n`);
      if (result !== undefined && !given.json) io.out(`${done} ${names[n]}.\n`);
    }
    if (given.json) io.out(renderJson(results));
    return results.includes(null) ? 1 : 0;
  });
}

/** Where the image itself is not held under this name, that is the reason. */
async function describeNotPinned(inventory: Inventory, name: string): Promise<string> {
  const notHeld = await describeNotHeld(inventory, name);
  return notHeld.endsWith('not in the store') ? `${name} is not pinned` : notHeld;
}

async function listPins(given: CommandArguments, io: CommandIo): Promise<number> {
  const list = given.json ? beginJsonList((text) => io.out(text)) : undefined;
  await withInventory(given, io, async (inventory) => {
    let cursor: string | undefined;
    let isFirst = true;
    do {
      const { pins, next } = await inventory.pins({ limit: PAGE_LIMIT, ...(cursor === undefined ? {} : { cursor }) });
      const now = Date.now();
      if (list === undefined) {
        const rows: string[][] = [];
        for (const { digest, pinnedAt } of pins)
          rows.push([digest, formatAge(pinnedAt, now), await carriersOf(inventory, digest)]);
        io.out(renderTable(COLUMNS, rows, isFirst));
      } else list.add(pins);
      isFirst = false;
      cursor = next;
    } while (cursor !== undefined && io.isRead());
  });
  list?.end();
  return 0;
}

/** Who delivered what is pinned: a digest alone tells people little. */
async function carriersOf(inventory: Inventory, digest: Digest): Promise<string> {
  const blob = await inventory.blob(digest);
  return blob === undefined ? 'not held' : nameCarriers(blob.repositories);
}

function targetOf(text: string): PinTarget {
  const named = parseName(text);
  if (named.kind === 'digest') return { digest: named.digest };
  if (named.kind === 'image') return { image: formatImage(named.image) };
  throw new ConfigError([`${JSON.stringify(text)} is a ${named.kind}; pins are for images and digests.`]);
}
