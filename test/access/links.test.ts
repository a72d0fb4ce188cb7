import assert from 'node:assert/strict';
import { Links } from '../../src/access/links.js';
import type { FactStore } from '../../src/cache/contract.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { digestOfBytes } from '../support/memory-store.js';

const D = digestOfBytes(Buffer.from('content'));
const HOUR = 3600_000;

describe('access/links', () => {
  let now = 0;
  let rows: FactStore;
  let links: Links;

  beforeEach(() => {
    now = 1_800_000_000_000;
    rows = createMemoryFacts();
    links = new Links({ rows, maxAgeMs: 24 * HOUR, now: () => now });
  });

  it('knows who delivered what, and nobody else', async () => {
    await links.delivered('a.test app', D);
    assert.equal(await links.has('a.test app', D), true);
    assert.equal(await links.has('b.test app', D), false);
    assert.equal(await links.has('a.test other', D), false);
    assert.equal(await links.has('a.test app', digestOfBytes(Buffer.from('x'))), false);
  });

  it('outlives the process, in the rows', async () => {
    await links.delivered('a.test app', D);
    const later = new Links({ rows, maxAgeMs: 24 * HOUR, now: () => now });
    assert.equal(await later.has('a.test app', D), true);
    assert.deepEqual(await later.carriers(D), ['a.test app']);
  });

  it('ends when nobody has confirmed the content for too long', async () => {
    await links.delivered('a.test app', D);
    now += 24 * HOUR - 1;
    assert.equal(await links.has('a.test app', D), true);
    now += 1;
    assert.equal(await links.has('a.test app', D), false);
  });

  it('lives on by confirmation, and does not come back to life by one', async () => {
    await links.delivered('a.test app', D);
    now += 23 * HOUR;
    await links.confirmed('a.test app', D);
    now += 23 * HOUR;
    assert.equal(await links.has('a.test app', D), true);
    now += HOUR;
    await links.confirmed('a.test app', D);
    assert.equal(await links.has('a.test app', D), false);
  });

  it('makes no link of a confirmation', async () => {
    await links.confirmed('a.test app', D);
    assert.equal(await links.has('a.test app', D), false);
  });

  it('writes confirmations down every six hours only', async () => {
    await links.delivered('a.test app', D);
    const written = () => rows.get<{ confirmedAt: number }>('link', `a.test app ${D}`);
    const before = await written();
    now += 6 * HOUR - 1;
    await links.confirmed('a.test app', D);
    assert.deepEqual(await written(), before);
    now += 1;
    await links.confirmed('a.test app', D);
    assert.equal((await written())?.confirmedAt, now);
  });

  it('drops the link of one repository', async () => {
    await links.delivered('a.test app', D);
    await links.delivered('b.test app', D);
    await links.drop('a.test app', D);
    assert.equal(await links.has('a.test app', D), false);
    assert.equal(await links.has('b.test app', D), true);
  });

  it('remembers the last eight carriers, each once', async () => {
    for (let i = 0; i < 9; i += 1) await links.delivered(`${i}.test app`, D);
    await links.delivered('3.test app', D);
    const expected = [1, 2, 4, 5, 6, 7, 8, 3].map((i) => `${i}.test app`);
    assert.deepEqual(await links.carriers(D), expected);
  });

  it('knows of a delivery for ever where nobody can confirm it, but not of one that was dropped', async () => {
    await links.delivered('a.test app', D);
    now += 365 * 24 * HOUR;
    assert.equal(await links.has('a.test app', D), false);
    assert.equal(await links.hasEver('a.test app', D), true);
    assert.equal(await links.hasEver('b.test app', D), false);
    await links.drop('a.test app', D);
    assert.equal(await links.hasEver('a.test app', D), false);
  });
});
