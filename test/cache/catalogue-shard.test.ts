import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { CatalogueShard, KEY_WORDS } from '../../src/cache/catalogue-shard.js';

/** A key whose place in the table is `place`, so that keys collide. */
function keyOf(place: number, id: number): Uint32Array {
  return Uint32Array.from({ length: KEY_WORDS }, (_, word) => (word === 1 ? place : id));
}

describe('cache/catalogue-shard', () => {
  it('finds exactly what was added and not removed, however keys collide', () => {
    const change = fc.record({ add: fc.boolean(), place: fc.nat(3), id: fc.nat(60) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const shard = new CatalogueShard();
        const model = new Map<string, number>();
        for (const [n, { add, place, id }] of changes.entries()) {
          const slot = shard.find(keyOf(place, id));
          assert.equal(slot >= 0, model.has(`${place} ${id}`));
          if (add && slot < 0) {
            shard.sizes[shard.add(keyOf(place, id))] = n;
            model.set(`${place} ${id}`, n);
          }
          if (!add && slot >= 0) {
            shard.remove(slot);
            model.delete(`${place} ${id}`);
          }
        }
        assert.equal(shard.count, model.size);
        for (const [key, n] of model) {
          const [place = 0, id = 0] = key.split(' ').map(Number);
          const slot = shard.find(keyOf(place, id));
          assert.equal(shard.sizes[slot], n);
          assert.deepEqual([...shard.key(slot)], [...keyOf(place, id)]);
        }
      }),
    );
  });

  it('begins a slot with nothing of what was in it before', () => {
    const shard = new CatalogueShard();
    const slot = shard.add(keyOf(1, 1));
    shard.flags[slot] = 7;
    shard.uses[slot] = 3;
    shard.remove(slot);
    const again = shard.add(keyOf(1, 2));
    assert.deepEqual([again, shard.flags[again], shard.uses[again]], [slot, 0, 0]);
  });
});
