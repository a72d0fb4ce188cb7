import assert from 'node:assert/strict';
import { type Breaker, createBreaker } from '../../src/net/circuit-breaker.js';

describe('net/circuit-breaker', () => {
  let clock = 0;
  let breaker: Breaker;

  beforeEach(() => {
    clock = 1000;
    breaker = createBreaker({ failures: 3, openMs: 100, successes: 2, now: () => clock });
  });

  function trip(): void {
    for (let i = 0; i < 3; i += 1) breaker.failure();
  }

  it('lets everybody pass until so many failures have come in a row', () => {
    breaker.failure();
    breaker.failure();
    breaker.success();
    breaker.failure();
    breaker.failure();
    assert.equal(breaker.state, 'closed');
    assert.equal(breaker.allow(), true);
    breaker.failure();
    assert.equal(breaker.state, 'open');
    assert.equal(breaker.allow(), false);
  });

  it('lets one at a time try after the pause', () => {
    trip();
    clock += 99;
    assert.equal(breaker.allow(), false);
    clock += 1;
    assert.equal(breaker.state, 'half-open');
    assert.equal(breaker.allow(), true);
    assert.equal(breaker.allow(), false);
  });

  it('opens again when the try fails', () => {
    trip();
    clock += 100;
    assert.equal(breaker.allow(), true);
    clock += 10;
    breaker.failure();
    assert.equal(breaker.state, 'open');
    clock += 90;
    assert.equal(breaker.allow(), true);
  });

  it('closes after two tries that succeeded, not after one', () => {
    trip();
    clock += 100;
    assert.equal(breaker.allow(), true);
    breaker.success();
    assert.equal(breaker.state, 'half-open');
    assert.equal(breaker.allow(), true);
    assert.equal(breaker.allow(), false);
    breaker.success();
    assert.equal(breaker.state, 'closed');
    assert.equal(breaker.allow(), true);
    assert.equal(breaker.allow(), true);
  });

  it('forgets the first success when the second try fails', () => {
    trip();
    clock += 100;
    assert.equal(breaker.allow(), true);
    breaker.success();
    assert.equal(breaker.allow(), true);
    breaker.failure();
    assert.equal(breaker.state, 'open');
    clock += 100;
    assert.equal(breaker.allow(), true);
    breaker.success();
    assert.equal(breaker.state, 'half-open');
  });

  it('lets another try when nothing is heard of the first', () => {
    trip();
    clock += 100;
    assert.equal(breaker.allow(), true);
    clock += 100;
    assert.equal(breaker.allow(), true);
  });

  it('is not kept open by failures of those who had passed before', () => {
    trip();
    clock += 50;
    breaker.failure();
    clock += 50;
    assert.equal(breaker.allow(), true);
  });
});
