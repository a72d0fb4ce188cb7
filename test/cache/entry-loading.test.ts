import assert from 'node:assert/strict';
import { beginLoading } from '../../src/cache/entry-loading.js';

describe('cache/entry-loading', () => {
  it('waits until few rows are read', async () => {
    let isRead = false;
    const load = async (): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      isRead = true;
    };
    await beginLoading({ load }, new AbortController().signal);
    assert.equal(isRead, true);
  });

  it('does not wait for many, and ends with the store', async () => {
    const stopping = new AbortController();
    let isRead = false;
    const load = async (stopped: () => boolean, whenLarge: () => Promise<unknown> = async () => {}): Promise<void> => {
      await whenLarge();
      isRead = !stopped();
    };
    const { loading } = await beginLoading({ load }, stopping.signal);
    stopping.abort();
    await loading;
    assert.equal(isRead, false);
  });

  it('does not wait for an index that hangs', async () => {
    let release = (): void => {};
    const load = (): Promise<void> =>
      new Promise((resolve) => {
        release = resolve;
      });
    const { loading } = await beginLoading({ load }, new AbortController().signal);
    release();
    await loading;
  });
});
