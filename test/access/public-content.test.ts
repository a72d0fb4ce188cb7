import assert from 'node:assert/strict';
import { PublicContent } from '../../src/access/public-content.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { digestOfBytes } from '../support/memory-store.js';

const D = digestOfBytes(Buffer.from('content'));
const SCOPE = 'registry.test app';

describe('access/public-content', () => {
  let now = 0;
  let content: PublicContent;

  beforeEach(() => {
    now = 1_800_000_000_000;
    content = new PublicContent({ rows: createMemoryFacts(), ttlMs: 1000, now: () => now });
  });

  it('holds a proof for its time, for one repository', async () => {
    await content.prove(SCOPE, D, { provenAt: now, depth: 0 });
    now += 999;
    assert.equal(await content.has(SCOPE, D), true);
    assert.equal(await content.has('registry.test other', D), false);
    now += 1;
    assert.equal(await content.has(SCOPE, D), false);
  });

  it('takes a proof from the future for none, and lets a new one replace it', async () => {
    await content.prove(SCOPE, D, { provenAt: now + 500, depth: 0 });
    assert.equal(await content.has(SCOPE, D), false);
    await content.prove(SCOPE, D, { provenAt: now, depth: 2 });
    assert.deepEqual(await content.find(SCOPE, D), { provenAt: now, depth: 2 });
  });

  it('never lets an older proof replace a newer one', async () => {
    await content.prove(SCOPE, D, { provenAt: now, depth: 1 });
    await content.prove(SCOPE, D, { provenAt: now - 1, depth: 0 });
    assert.deepEqual(await content.find(SCOPE, D), { provenAt: now, depth: 1 });
  });

  it('drops a proof', async () => {
    await content.prove(SCOPE, D, { provenAt: now, depth: 0 });
    await content.drop(SCOPE, D);
    assert.equal(await content.has(SCOPE, D), false);
  });

  it('does not take an older proof for a digest that was hidden since', async () => {
    const provenAt = now;
    now += 10;
    await content.drop(SCOPE, D);
    await content.prove(SCOPE, D, { provenAt, depth: 1 });
    assert.equal(await content.has(SCOPE, D), false);
    await content.prove('registry.test other', D, { provenAt, depth: 1 });
    assert.equal(await content.has('registry.test other', D), true);
    now += 10;
    await content.prove(SCOPE, D, { provenAt: now, depth: 1 });
    assert.equal(await content.has(SCOPE, D), true);
  });

  it('keeps a proof for 30 days where the registry cannot be asked, and no longer', async () => {
    await content.prove(SCOPE, D, { provenAt: now, depth: 0 });
    now += 30 * 86_400_000 - 1;
    assert.equal(await content.has(SCOPE, D), false);
    assert.equal(await content.isKept(SCOPE, D), true);
    assert.equal(await content.isKept('registry.test other', D), false);
    now += 1;
    assert.equal(await content.isKept(SCOPE, D), false);
  });

  it('forgets every proof of a repository that hides itself, across restarts, until there is a new one (E16)', async () => {
    const rows = createMemoryFacts();
    const before = new PublicContent({ rows, ttlMs: 1000, now: () => now });
    await before.prove(SCOPE, D, { provenAt: now, depth: 1 });
    await before.prove('registry.test other', D, { provenAt: now, depth: 1 });
    await before.hide(SCOPE);
    const after = new PublicContent({ rows, ttlMs: 1000, now: () => now });
    for (const one of [before, after]) {
      assert.equal(await one.has(SCOPE, D), false);
      assert.equal(await one.isKept(SCOPE, D), false);
      assert.equal(await one.has('registry.test other', D), true);
    }
    now += 1;
    await after.prove(SCOPE, D, { provenAt: now, depth: 0 });
    assert.equal(await after.has(SCOPE, D), true);
  });
});
