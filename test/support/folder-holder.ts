import fs from 'node:fs';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { openCache } from '../../src/cache/open-cache.js';
import { digestOfBytes } from './memory-store.js';

/**
 * A process that holds a data folder until it is killed. `node folder-holder.ts <directory> <how>`, where `how` says
 * what it is doing when it prints `ready`: nothing (`idle`), appending to a spool (`append`), or standing still at a
 * named step of a commit (`sync`, `rename-sums`, `rename-content`, `sync-folder`).
 */
const [directory = '', how = 'idle'] = process.argv.slice(2);
const events = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };

function ready(): void {
  fs.writeSync(1, 'ready\n');
}

function standStill(): Promise<never> {
  ready();
  return new Promise(() => {});
}

const files = {
  ...nodeFileSystem,
  dataSync: (fd: number) => (how === 'sync' ? standStill() : nodeFileSystem.dataSync(fd)),
  syncFolder: (path: string) =>
    how === 'sync-folder' && /\/[0-9a-f]{2}$/.test(path) ? standStill() : nodeFileSystem.syncFolder(path),
  rename: (from: string, to: string) => {
    const step = to.endsWith('.sum') ? 'rename-sums' : 'rename-content';
    return how === step && to.includes('/blobs/') ? standStill() : nodeFileSystem.rename(from, to);
  },
};

async function hold(): Promise<void> {
  const cache = await openCache({ directory, events, files });
  const kept = Buffer.from('kept from before');
  // The kept content goes in under its own steps, unless the first of them is where this process stands still.
  if (how === 'idle') await cache.store.put(digestOfBytes(kept), kept, 'text/plain');
  if (how === 'idle') await cache.facts.set('link', 'registry/repository', { at: 1 });
  const bytes = Buffer.alloc(600_000, how);
  const spool = await cache.store.createSpool(bytes.length);
  await spool.append(bytes);
  if (how === 'idle' || how === 'append') {
    ready();
    for (;;) await spool.append(Buffer.alloc(1_000, 'x'));
  }
  await spool.commit(digestOfBytes(bytes), 'text/plain');
}

// Nothing else may keep this process alive while it stands still.
setInterval(() => {}, 60_000);
await hold();
