import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { RowKind } from '../../src/cache/contract.js';
import { openDataFolder } from '../../src/cache/data-folder.js';
import { createFactsLog, factsLogPath } from '../../src/cache/facts-log.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';
import { openKeyvIndex } from '../../src/cache/keyv-index.js';
import { encodeSums } from '../../src/cache/sums.js';
import { MANIFEST_TYPE } from './content.js';

/** What one image comes to: its manifest, its configuration and eight layers. */
export const ENTRIES_PER_IMAGE = 10;
export const ROW_BYTES = 4096;
const LAYERS = 8;
const IMAGES_PER_REPOSITORY = 10;
/** Uses are spread over so long. */
export const OLDEST_MS = 60 * 86_400_000;
const STEP = 5000;
const EVENTS = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

interface RowToAdd {
  readonly key: string;
  readonly value: unknown;
}

/**
 * Adds images to the data folder of a proxy that is stopped, as if they had been pulled: rows, links and tags of all that
 * belongs to them, and the files of their manifests. Of layers there are rows only, so that a million entries fit on a
 * small disk. Entries are counted by ten, from `from` up to `to`.
 */
export async function addImages(data: string, from: number, to: number): Promise<void> {
  const folder = await openDataFolder(data);
  const now = Date.now();
  const entries: RowToAdd[] = [];
  const links: RowToAdd[] = [];
  const carriers: RowToAdd[] = [];
  const tags: RowToAdd[] = [];
  try {
    for (let n = from / ENTRIES_PER_IMAGE; n < to / ENTRIES_PER_IMAGE; n += 1) {
      const scope = `registry.test group${n % 100}/repository${Math.floor(n / IMAGES_PER_REPOSITORY)}`;
      const usedAt = now - Math.floor((spreadOut(n) / 2 ** 32) * OLDEST_MS);
      const parts = ['config', ...Array.from({ length: LAYERS }, (_, layer) => `layer ${layer}`)].map((part) => {
        return { digest: digestOf(`${part} of ${n}`), size: ROW_BYTES };
      });
      const manifest = manifestOf(parts);
      const digest = digestOf(manifest);
      await keepFiles(data, digest, manifest, usedAt, folder.generation);
      const use = { storedAt: usedAt, usedAt, uses: 1 };
      const sized = [...parts, { digest, size: manifest.length, type: MANIFEST_TYPE }];
      for (const { digest: key, size: sizeBytes, ...more } of sized) {
        entries.push({ key, value: { sizeBytes, ...('type' in more && { mediaType: more.type }), ...use } });
        links.push({ key: `${scope} ${key}`, value: { deliveredAt: usedAt, confirmedAt: now } });
        carriers.push({ key, value: [scope] });
      }
      tags.push({ key: `${scope}:v${n % IMAGES_PER_REPOSITORY}`, value: { digest, at: now } });
    }
  } finally {
    await folder.release();
  }
  const index = await openKeyvIndex(data, createFaultBoard(EVENTS), false);
  const log = createFactsLog(factsLogPath(data), { fault: () => {}, well: () => {} });
  const add = async (kind: RowKind, rows: RowToAdd[]): Promise<void> => {
    // In the order of their keys they go into the index ten times as fast.
    rows.sort((a, b) => (a.key < b.key ? -1 : 1));
    for (let at = 0; at < rows.length; at += STEP) {
      const step = rows.slice(at, at + STEP);
      const writes = step.map(({ key, value }) => index.set(kind, key, value));
      if (kind !== 'entry') writes.push(...step.map(({ key, value }) => log.append({ kind, key, value })));
      await Promise.all(writes);
    }
  };
  await add('entry', entries);
  await add('link', links);
  await add('link', carriers);
  await add('tag', tags);
  await log.close();
  await index.close();
}

/** Numbers in a row, spread over 32 bits. */
function spreadOut(n: number): number {
  return Math.imul(n + 1, 0x9e3779b1) >>> 0;
}

function digestOf(content: string | Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function manifestOf([config, ...layers]: readonly { readonly digest: string; readonly size: number }[]): Buffer {
  const described = (mediaType: string, what: object | undefined) => ({ mediaType, ...what });
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: described('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => described('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
    }),
  );
}

async function keepFiles(
  data: string,
  digest: string,
  bytes: Buffer,
  storedAt: number,
  generation: string,
): Promise<void> {
  const hex = digest.slice('sha256:'.length);
  const folder = join(data, 'blobs/sha256', hex.slice(0, 2));
  await mkdir(folder, { recursive: true });
  const crcs = Uint32Array.of(crc32(bytes));
  const sums = encodeSums({ sizeBytes: bytes.length, mediaType: MANIFEST_TYPE, storedAt, generation, crcs });
  await Promise.all([writeFile(join(folder, hex), bytes), writeFile(join(folder, `${hex}.sum`), sums)]);
}
