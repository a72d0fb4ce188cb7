import { describeCacheStore } from '../contract/cache-store.js';
import { createCacheFolder } from '../support/cache-folder.js';
import { createMemoryStore } from '../support/memory-store.js';

describeCacheStore('cache/disk-store', async () => {
  const folder = await createCacheFolder();
  const cache = await folder.open();
  return { store: cache.store, dispose: () => folder.dispose() };
});

describeCacheStore('test/support/memory-store', async () => ({ store: createMemoryStore(), dispose: async () => {} }));
