import assert from 'node:assert/strict';
import { Links } from '../../src/access/links.js';
import { carriersOf, forgetCarriers } from '../../src/inventory/carriers.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { digestOfBytes } from '../support/memory-store.js';

const D = digestOfBytes(Buffer.from('content'));

describe('inventory/carriers', () => {
  const facts = createMemoryFacts();
  const links = new Links({ rows: facts, maxAgeMs: 3600_000 });
  beforeEach(async () => {
    for (const { key } of await facts.page('link', { limit: 99 })) await facts.delete('link', key);
    for (const scope of ['a.test one', 'b.test two', 'c.test three']) await links.delivered(scope, D);
  });

  it('tells who delivered a digest, but not whose link has fallen since', async () => {
    assert.deepEqual(await carriersOf(facts, D), ['a.test one', 'b.test two', 'c.test three']);
    await links.drop('b.test two', D);
    assert.deepEqual(await carriersOf(facts, D), ['a.test one', 'c.test three']);
    assert.deepEqual(await carriersOf(facts, digestOfBytes(Buffer.from('other'))), []);
  });

  it('forgets one repository, so that it has to deliver again', async () => {
    await forgetCarriers(facts, D, (scope) => scope === 'b.test two');
    assert.equal(await links.has('b.test two', D), false);
    assert.equal(await links.has('a.test one', D), true);
    assert.deepEqual(await links.carriers(D), ['a.test one', 'c.test three']);
  });

  it('forgets all, and leaves no row', async () => {
    await forgetCarriers(facts, D);
    assert.deepEqual(await facts.page('link', { limit: 9 }), []);
  });

  it('outlives a row that is damaged', async () => {
    for (const value of [{}, 'text', 7, [1, null, 'a.test one']]) {
      await facts.set('link', D, value);
      assert.deepEqual(await carriersOf(facts, D), Array.isArray(value) ? ['a.test one'] : []);
    }
  });
});
