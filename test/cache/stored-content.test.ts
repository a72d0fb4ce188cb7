import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { contentPath } from '../../src/cache/content-paths.js';
import type { Entry } from '../../src/cache/contract.js';
import { nodeFileSystem } from '../../src/cache/file-system.js';
import { createHotContent } from '../../src/cache/hot-content.js';
import { createKeyedQueue } from '../../src/cache/keyed-queue.js';
import { createOpenReaders } from '../../src/cache/open-readers.js';
import { createStoredContent } from '../../src/cache/stored-content.js';
import { ProxyError } from '../../src/errors.js';
import type { BodyReader } from '../../src/http/body.js';
import type { Digest } from '../../src/oci/digest.js';
import { createCacheFolder } from '../support/cache-folder.js';
import { digestOfBytes } from '../support/memory-store.js';

const BYTES = Buffer.from('some stored content');
const DIGEST = digestOfBytes(BYTES);
const ENTRY: Entry = { digest: DIGEST, sizeBytes: BYTES.length, mediaType: undefined, storedAt: 1 };

describe('cache/stored-content', () => {
  let told: string[];
  let closed: number;
  /** What the index knows. */
  let row: Entry | undefined;
  let openFile: (entry: Entry) => Promise<BodyReader | undefined>;

  beforeEach(() => {
    told = [];
    closed = 0;
    row = ENTRY;
    openFile = async () => readerOf(BYTES);
  });

  function readerOf(bytes: Buffer, fault?: Error): BodyReader {
    return {
      sizeBytes: bytes.length,
      async read(offset, maxBytes) {
        if (fault) throw fault;
        if (offset >= bytes.length) return undefined;
        return { bytes: bytes.subarray(offset, offset + maxBytes), release: () => {} };
      },
      close: () => {
        closed += 1;
      },
    };
  }

  function create({ directory = '/nowhere', hotBytes = 0 } = {}) {
    const reading = createOpenReaders();
    const stored = createStoredContent({
      directory,
      files: nodeFileSystem,
      entries: {
        hot: () => undefined,
        find: async () => row,
        remember: async (entry) => {
          told.push(`remember ${entry.sizeBytes}`);
          row = entry;
        },
        touch: () => void told.push('touch'),
        saveRow: async () => row !== undefined,
      },
      turns: createKeyedQueue(),
      hot: hotBytes === 0 ? undefined : createHotContent(hotBytes),
      reading,
      contents: { open: (entry) => openFile(entry) },
      removal: { forgetMissing: async () => void told.push('forget') },
      faults: { report: (kind) => void told.push(`fault ${kind}`), clear: (kind) => void told.push(`well ${kind}`) },
    });
    return { stored, reading };
  }

  it('counts a use and a reader for a client, and neither for a look of our own', async () => {
    const { stored, reading } = create();
    assert.deepEqual(await stored.readAll(DIGEST, 100), BYTES);
    assert.deepEqual([told, closed, reading.has(DIGEST)], [['well reading'], 1, false]);
    const reader = await stored.openForUse(DIGEST);
    assert.deepEqual([told.includes('touch'), reading.has(DIGEST)], [true, true]);
    reader?.close();
    assert.deepEqual([reading.has(DIGEST), closed], [false, 2]);
  });

  it('reads nothing whole that is larger than asked for, or not held', async () => {
    const { stored } = create();
    assert.equal(await stored.readAll(DIGEST, BYTES.length - 1), undefined);
    row = undefined;
    assert.equal(await stored.readAll(DIGEST, 100), undefined);
    assert.deepEqual(told, []);
  });

  it('gives small content from memory the second time', async () => {
    const { stored } = create({ hotBytes: 10_000 });
    assert.deepEqual(await stored.readAll(DIGEST, 100), BYTES);
    openFile = () => Promise.reject(new Error('the file was asked for'));
    const reader = await stored.openForUse(DIGEST);
    assert.deepEqual(Buffer.from(reader?.whole ?? []), BYTES);
  });

  it('forgets content whose file is gone', async () => {
    openFile = async () => undefined;
    assert.equal(await create().stored.openForUse(DIGEST), undefined);
    assert.deepEqual(told.slice(1), ['well reading', 'forget']);
  });

  it('takes damaged content for not held, at once or while it is read', async () => {
    const damage = new ProxyError('content-damaged', 'a bit has flipped');
    const { stored } = create();
    openFile = () => Promise.reject(damage);
    assert.equal(await stored.openForUse(DIGEST), undefined);
    openFile = async () => readerOf(BYTES, damage);
    assert.equal(await stored.readAll(DIGEST, 100), undefined);
    assert.equal(closed, 1);
    assert.ok(!told.includes('fault reading'));
  });

  it('reports a disk that cannot be read, and rejects', async () => {
    openFile = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
    await assert.rejects(create().stored.openForUse(DIGEST), { code: 'store' });
    assert.deepEqual(told.slice(1), ['fault reading']);
    openFile = async () => readerOf(BYTES, new Error('EIO'));
    await assert.rejects(create().stored.readAll(DIGEST, 100), /EIO/);
  });

  it('finds content whose row was lost by its file and sums, where they fit together', async () => {
    const folder = await createCacheFolder();
    try {
      const cache = await folder.open();
      await cache.store.put(DIGEST, BYTES, 'text/plain');
      row = undefined;
      const { directory } = folder;
      const found = await create({ directory }).stored.lookup(DIGEST);
      assert.deepEqual([found?.sizeBytes, found?.mediaType], [BYTES.length, 'text/plain']);
      row = undefined;
      await create({ directory }).stored.giveRow(DIGEST);
      assert.deepEqual(told, [`remember ${BYTES.length}`, `remember ${BYTES.length}`]);
      await create({ directory }).stored.giveRow(DIGEST);
      assert.equal(told.length, 2);
      row = undefined;
      await fs.truncate(contentPath(directory, DIGEST), 3);
      assert.equal(await create({ directory }).stored.lookup(DIGEST), undefined);
      assert.equal(await create({ directory }).stored.lookup(`sha256:${'0'.repeat(64)}` as Digest), undefined);
    } finally {
      await folder.dispose();
    }
  });
});
