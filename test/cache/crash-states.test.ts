import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type Cache, openCache } from '../../src/cache/open-cache.js';
import type { Digest } from '../../src/oci/digest.js';
import { readFrom } from '../contract/cache-store.js';
import { type CacheFolder, createCacheFolder } from '../support/cache-folder.js';
import { inspectCrashed } from '../support/crashed-folder.js';
import { digestOfBytes } from '../support/memory-store.js';
import { applyCrash, type Change, type CrashState, crashStates, recordedFiles } from '../support/recorded-files.js';

/*
 * Every state that a kill or a power loss can leave in the middle of a commit and of a removal: each prefix of what was
 * asked of the disk, with bytes and names that were not synced kept, halved or lost, under the index of before and of
 * after. Each is started and looked through. These are the fail points of the store: each change that it makes to the
 * disk goes through the FileSystem that is handed to it, so none has to be named in the code.
 */

const INDEX_FRAME_BYTES = 4096 + 24;

describe('cache/crash states', function () {
  this.timeout(120_000);
  const held = randomBytes(300_000);
  const coming = randomBytes(400_000);
  let folder: CacheFolder;
  let snapshots: string;

  beforeEach(async () => {
    folder = await createCacheFolder();
    snapshots = `${folder.directory}-states`;
  });
  afterEach(async () => {
    await folder.dispose();
    await fs.rm(snapshots, { recursive: true, force: true });
  });

  async function copyTo(name: string): Promise<string> {
    const to = path.join(snapshots, name);
    await fs.cp(folder.directory, to, { recursive: true });
    return to;
  }

  /** Starts on a folder as it lies after a crash, and looks at everything that it says and holds. */
  async function inspect(directory: string, known: readonly Buffer[]): Promise<ReadonlySet<Digest>> {
    await fs.writeFile(path.join(directory, 'lock'), 'left by a crash');
    return inspectCrashed(directory, known, folder.events);
  }

  async function fingerprint(directory: string): Promise<string> {
    const hash = createHash('sha256');
    const entries = await fs.readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((one) => one.isFile() && !one.name.startsWith('index.'));
    for (const file of files.map(({ parentPath, name }) => path.join(parentPath, name)).sort()) {
      hash.update(file).update(await fs.readFile(file));
    }
    return hash.digest('hex');
  }

  /** Runs one operation with a record of what it does to the disk; gives that, and the folder before and after. */
  async function record(operation: (cache: Cache) => Promise<unknown>): Promise<{
    readonly changes: readonly Change[];
    readonly before: string;
    readonly after: string;
  }> {
    const { files, changes } = recordedFiles(folder.directory);
    const cache = await folder.open({ files });
    await cache.rebuilt;
    await cache.store.put(digestOfBytes(held), held, undefined);
    const before = await copyTo('before');
    changes.length = 0;
    await operation(cache);
    const done = [...changes];
    const after = await copyTo('after');
    await cache.close();
    return { changes: done, before, after };
  }

  async function inspectAll(
    operation: (cache: Cache) => Promise<unknown>,
    judge: (present: ReadonlySet<Digest>, state: CrashState, changes: readonly Change[]) => void,
  ): Promise<void> {
    const { changes, before, after } = await record(operation);
    const states = crashStates(changes);
    assert.ok(states.length >= 18, `${states.length} states`);
    const seen = new Set<string>();
    for (const state of states) {
      for (const index of [before, after]) {
        const directory = path.join(snapshots, 'state');
        await fs.rm(directory, { recursive: true, force: true });
        await fs.cp(before, directory, { recursive: true });
        for (const name of await fs.readdir(index)) {
          if (name.startsWith('index.')) await fs.copyFile(path.join(index, name), path.join(directory, name));
        }
        await applyCrash(directory, changes, state);
        const looks = `${path.basename(index)} ${await fingerprint(directory)}`;
        // Many ways lead to the same folder.
        if (seen.has(looks)) continue;
        seen.add(looks);
        try {
          judge(await inspect(directory, [held, coming]), state, changes);
        } catch (error) {
          const last = changes.slice(0, state.changes).map(({ kind }) => kind);
          const where = `${JSON.stringify(state)} after ${last.join(', ')}, index of ${path.basename(index)}`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
      }
    }
  }

  it('I02 I03: are sound in the middle of a commit', async () => {
    await inspectAll(
      (cache) => cache.store.put(digestOfBytes(coming), coming, undefined),
      (present, state, changes) => {
        assert.ok(present.has(digestOfBytes(held)), 'what was held is lost');
        if (state.changes === changes.length)
          assert.ok(present.has(digestOfBytes(coming)), 'what was committed is lost');
      },
    );
  });

  it('I02 I03: are sound in the middle of a removal', async () => {
    await inspectAll(
      (cache) => cache.store.remove(digestOfBytes(held)),
      (present) => assert.ok(!present.has(digestOfBytes(coming))),
    );
  });

  it('I02 I11: are sound wherever the write to the index was cut', async () => {
    const cache = await folder.open();
    await cache.rebuilt;
    await cache.store.put(digestOfBytes(held), held, undefined);
    const sizeBefore = (await fs.stat(path.join(folder.directory, 'index.v1.sqlite-wal'))).size;
    await cache.facts.set('link', 'repository digest', { deliveredAt: 1 });
    await cache.facts.set('public', 'repository digest', { provenAt: 1 });
    await cache.facts.delete('public', 'repository digest');
    const after = await copyTo('after');
    await cache.close();
    const wal = await fs.readFile(path.join(after, 'index.v1.sqlite-wal'));
    assert.ok(wal.length > sizeBefore + INDEX_FRAME_BYTES);
    for (let cut = sizeBefore; cut <= wal.length; cut += INDEX_FRAME_BYTES / 2) {
      for (const zeroed of [false, true]) {
        const directory = path.join(snapshots, 'state');
        await fs.rm(directory, { recursive: true, force: true });
        await fs.cp(after, directory, { recursive: true });
        // A file may be as long as it was made, without the bytes that were written into it.
        const rest = zeroed ? Buffer.alloc(wal.length - cut) : Buffer.alloc(0);
        await fs.writeFile(path.join(directory, 'index.v1.sqlite-wal'), Buffer.concat([wal.subarray(0, cut), rest]));
        await fs.rm(path.join(directory, 'index.v1.sqlite-shm'), { force: true });
        await fs.writeFile(path.join(directory, 'lock'), 'left by a crash');
        const again = await openCache({ directory, events: folder.events });
        await again.rebuilt;
        assert.deepEqual(await again.facts.get('link', 'repository digest'), { deliveredAt: 1 }, `cut at ${cut}`);
        assert.equal(await again.facts.get('public', 'repository digest'), undefined, `cut at ${cut}`);
        assert.ok(held.equals((await readFrom(again.store, digestOfBytes(held), 0)) ?? Buffer.alloc(0)));
        await again.close();
      }
    }
  });
});
