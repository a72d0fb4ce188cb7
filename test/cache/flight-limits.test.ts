import assert from 'node:assert/strict';
import { FLIGHT_LIMITS, HOLD_BACK_BYTES } from '../../src/cache/flight-limits.js';

describe('cache/flight-limits', () => {
  it('lets a detached flight take in more than it holds back, so that it always gets on', () => {
    assert.ok(FLIGHT_LIMITS.detachedBytes > HOLD_BACK_BYTES + FLIGHT_LIMITS.chunkBytes);
  });

  it('lets the disk lag by more than one chunk', () => {
    assert.ok(FLIGHT_LIMITS.unwrittenBytes > 2 * FLIGHT_LIMITS.chunkBytes);
  });

  it('H11, H14 keeps one flight below 64 MiB', () => {
    const { ringBytes, unwrittenBytes, detachedBytes } = FLIGHT_LIMITS;
    assert.ok(ringBytes + unwrittenBytes + detachedBytes < 64 * 1024 * 1024);
  });
});
