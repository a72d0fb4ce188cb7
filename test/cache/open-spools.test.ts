import assert from 'node:assert/strict';
import { OpenSpools } from '../../src/cache/open-spools.js';

describe('cache/open-spools', () => {
  it('counts what was promised, or what was written where that is more', () => {
    const spools = new OpenSpools();
    const one = spools.add(100);
    const two = spools.add(10);
    assert.equal(spools.bytes, 110);
    assert.equal(spools.unwrittenBytes, 110);
    one.writtenBytes = () => 40;
    two.writtenBytes = () => 15;
    assert.equal(spools.bytes, 115);
    assert.equal(spools.unwrittenBytes, 60);
    spools.delete(one);
    spools.delete(one);
    assert.equal(spools.bytes, 15);
    assert.equal(spools.unwrittenBytes, 0);
  });

  it('knows the files of spools that are open', () => {
    const spools = new OpenSpools();
    const one = spools.add(1);
    assert.equal(spools.hasFile('/spool/a'), false);
    one.file = '/spool/a';
    assert.equal(spools.hasFile('/spool/a'), true);
    spools.delete(one);
    assert.equal(spools.hasFile('/spool/a'), false);
  });
});
