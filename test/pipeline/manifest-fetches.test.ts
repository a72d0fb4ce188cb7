import assert from 'node:assert/strict';
import { createManifestFetches, type FetchedManifest } from '../../src/pipeline/manifest-fetches.js';

const manifest: FetchedManifest = {
  headers: ['Content-Type', 'x'],
  body: Buffer.from('{}'),
  notStored: undefined,
};

/** Holds every fetch until it is told what came of it. */
function heldFetch() {
  const held: { resolve(value: FetchedManifest | undefined): void; reject(error: Error): void }[] = [];
  const fetch = (): Promise<FetchedManifest | undefined> =>
    new Promise((resolve, reject) => {
      held.push({ resolve, reject });
    });
  return { held, fetch };
}

describe('pipeline/manifest-fetches', () => {
  it('fetches once for all who wait, and tells who led', async () => {
    const fetches = createManifestFetches();
    const { held, fetch } = heldFetch();
    const joined = [fetches.join('a', fetch), fetches.join('a', fetch)];
    assert.equal(held.length, 1);
    held[0]?.resolve(manifest);
    assert.deepEqual(await Promise.all(joined), [
      { leader: true, fetched: manifest },
      { leader: false, fetched: manifest },
    ]);
  });

  it('shares neither a refusal nor a failure: a follower is told to ask for itself', async () => {
    const fetches = createManifestFetches();
    const { held, fetch } = heldFetch();
    const refused = [fetches.join('a', fetch), fetches.join('a', fetch)];
    held[0]?.resolve(undefined);
    assert.deepEqual(
      (await Promise.all(refused)).map(({ fetched }) => fetched),
      [undefined, undefined],
    );
    const leader = fetches.join('a', fetch);
    const follower = fetches.join('a', fetch);
    held[1]?.reject(new Error('broken'));
    await assert.rejects(leader, /broken/);
    assert.deepEqual(await follower, { leader: false, fetched: undefined });
  });

  it('fetches anew after the last fetch is over', async () => {
    const fetches = createManifestFetches();
    assert.equal((await fetches.join('a', async () => manifest)).leader, true);
    assert.equal((await fetches.join('a', async () => manifest)).leader, true);
  });
});
