import assert from 'node:assert/strict';
import { createManifestFetches, type FetchedManifest } from '../../src/pipeline/manifest-fetches.js';

const manifest: FetchedManifest = {
  headers: ['Content-Type', 'x'],
  body: Buffer.from('{}'),
  notStored: undefined,
};

const PLACES = { perClient: 2, total: 3 };
const WAITING = { client: '192.0.2.1', signal: new AbortController().signal };

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
    const fetches = createManifestFetches(PLACES);
    const { held, fetch } = heldFetch();
    const joined = [fetches.join('a', WAITING, fetch), fetches.join('a', WAITING, fetch)];
    assert.equal(held.length, 1);
    held[0]?.resolve(manifest);
    assert.deepEqual(await Promise.all(joined), [
      { leader: true, fetched: manifest },
      { leader: false, fetched: manifest },
    ]);
  });

  it('shares neither a refusal nor a failure: a follower is told to ask for itself', async () => {
    const fetches = createManifestFetches(PLACES);
    const { held, fetch } = heldFetch();
    const refused = [fetches.join('a', WAITING, fetch), fetches.join('a', WAITING, fetch)];
    held[0]?.resolve(undefined);
    assert.deepEqual(
      (await Promise.all(refused)).map(({ fetched }) => fetched),
      [undefined, undefined],
    );
    const leader = fetches.join('a', WAITING, fetch);
    const follower = fetches.join('a', WAITING, fetch);
    held[1]?.reject(new Error('broken'));
    await assert.rejects(leader, /broken/);
    assert.deepEqual(await follower, { leader: false, fetched: undefined });
  });

  it('shares nothing without a key', async () => {
    const fetches = createManifestFetches(PLACES);
    const { held, fetch } = heldFetch();
    const joined = [fetches.join(undefined, WAITING, fetch), fetches.join(undefined, WAITING, fetch)];
    for (const one of held) one.resolve(manifest);
    assert.deepEqual(
      (await Promise.all(joined)).map(({ leader }) => leader),
      [true, true],
    );
  });

  it('D11 has a number of places for each client and for all, and followers need none', async () => {
    const fetches = createManifestFetches(PLACES);
    const { held, fetch } = heldFetch();
    const running = [fetches.join('a', WAITING, fetch), fetches.join('b', WAITING, fetch)];
    await assert.rejects(fetches.join('c', WAITING, fetch), { code: 'overloaded', status: 503 });
    running.push(fetches.join('a', WAITING, fetch));
    const other = { ...WAITING, client: '192.0.2.2' };
    running.push(fetches.join('d', other, fetch));
    await assert.rejects(fetches.join('e', other, fetch), { code: 'overloaded' });
    for (const one of held) one.resolve(manifest);
    await Promise.all(running);
    const again = fetches.join('c', WAITING, fetch);
    held.at(-1)?.resolve(manifest);
    assert.equal((await again).leader, true);
  });

  it('is aborted when nobody waits any more, and takes in nobody then', async () => {
    const fetches = createManifestFetches(PLACES);
    const signals: AbortSignal[] = [];
    const { held, fetch } = heldFetch();
    const fetchUntil = (signal: AbortSignal) => {
      signals.push(signal);
      return fetch();
    };
    const clients = [new AbortController(), new AbortController()];
    const left = clients.map(({ signal }) => fetches.join('a', { ...WAITING, signal }, fetchUntil));
    clients[0]?.abort();
    assert.equal(signals[0]?.aborted, false);
    clients[1]?.abort();
    assert.equal(signals[0]?.aborted, true);
    const next = fetches.join('a', WAITING, fetchUntil);
    held[0]?.resolve(undefined);
    held[1]?.resolve(manifest);
    assert.deepEqual(await next, { leader: true, fetched: manifest });
    assert.equal(signals[1]?.aborted, false);
    await Promise.all(left);
  });

  it('fetches anew after the last fetch is over', async () => {
    const fetches = createManifestFetches(PLACES);
    assert.equal((await fetches.join('a', WAITING, async () => manifest)).leader, true);
    assert.equal((await fetches.join('a', WAITING, async () => manifest)).leader, true);
  });
});
