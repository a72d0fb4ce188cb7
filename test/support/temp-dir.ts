import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that a test owns. `await using` removes it, or call `remove` in an `after` hook. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  remove(): Promise<void>;
}

export async function createTempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), 'entrepot-test-'));
  async function remove(): Promise<void> {
    await rm(path, { recursive: true, force: true });
  }
  return { path, remove, [Symbol.asyncDispose]: remove };
}
