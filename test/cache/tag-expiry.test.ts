import assert from 'node:assert/strict';
import { expireTags } from '../../src/cache/tag-expiry.js';
import { createMemoryFacts } from '../support/memory-facts.js';

const DAY_MS = 86_400_000;
const NOW = 1_000 * DAY_MS;

describe('cache/tag-expiry', () => {
  async function left(ages: readonly (number | undefined)[], keepTags?: number): Promise<number[]> {
    const facts = createMemoryFacts();
    for (const [n, age] of ages.entries()) {
      await facts.set('tag', `t${String(n).padStart(5, '0')}`, age === undefined ? 'odd' : { at: NOW - age * DAY_MS });
      await facts.set('link', `t${n}`, { at: 0 });
    }
    await expireTags(facts, NOW, keepTags);
    assert.equal((await facts.page('link', { limit: 100_000 })).length, ages.length);
    return (await facts.page('tag', { limit: 100_000 })).map(({ key }) => Number(key.slice(1)));
  }

  it('I18: forgets tags that nobody has looked up for 90 days', async () => {
    assert.deepEqual(await left([0, 89, 90, 91, 5_000, 1]), [0, 1, 5]);
  });

  it('I16: keeps tags from a future that the clock jumped back from', async () => {
    assert.deepEqual(await left([-365, undefined]), [0, 1]);
  });

  it('forgets the oldest of too many, in however many pages they come', async () => {
    assert.deepEqual(await left([5, 1, 9, 3], 2), [1, 3]);
    const kept = await left(
      Array.from({ length: 2_500 }, (_, n) => n % 50),
      500,
    );
    assert.equal(kept.length, 500);
    assert.ok(kept.every((n) => n % 50 < 10));
  });

  it('forgets some of the day on which it becomes too many', async () => {
    assert.equal(
      (
        await left(
          Array.from({ length: 2_100 }, () => 3),
          2_000,
        )
      ).length,
      2_000,
    );
  });
});
