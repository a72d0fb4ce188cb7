import { once } from 'node:events';
import { openCache } from '../../src/cache/open-cache.js';
import { digestOfBytes } from '../support/memory-store.js';

/**
 * A process that does one thing to a store while it is traced: `node traced-store.ts <directory> <what>`. It prints
 * `ready`, waits for a line, does it, prints `done`, and stands still until it is killed.
 */
const [directory = '', what = ''] = process.argv.slice(2);
const HELD = Buffer.alloc(300_000, 'held');
const COMING = Buffer.alloc(400_000, 'coming');
const events = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

const first = await openCache({ directory, events });
await first.store.put(digestOfBytes(HELD), HELD, undefined);
await first.facts.set('link', 'before', { at: 1 });
await first.close();
const room = what === 'eviction' ? { maxAgeMs: 1 } : undefined;
const cache = await openCache({ directory, events, room });
const { store, facts } = cache;
await store.open(digestOfBytes(HELD)).then((reader) => reader?.close());

const deeds: Readonly<Record<string, () => Promise<unknown>>> = {
  commit: () => store.put(digestOfBytes(COMING), COMING, undefined),
  async eviction() {
    while (store.usage.entries > 0) await cache.tend();
  },
  async facts() {
    await facts.set('link', 'during', { at: 2 });
    await facts.set('public', 'gone', { at: 3 });
    await facts.delete('public', 'gone');
  },
  async close() {
    await facts.set('link', 'during', { at: 2 });
    await cache.close();
  },
};

process.stdout.write('ready\n');
await once(process.stdin, 'data');
await deeds[what]?.();
// Rows are written behind; a page is one of what is in the index.
if (what !== 'close') await facts.page('link', { limit: 9 });
process.stdout.write('done\n');
setInterval(() => {}, 60_000);
