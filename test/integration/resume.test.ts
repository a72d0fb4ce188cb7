import assert from 'node:assert/strict';
import { headerValue } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyRequest, proxyGet, proxyOpen } from '../support/pull.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Bodies that break off on their way from upstream.
 *
 * The client sees one unbroken answer, byte for byte, and the registry is asked for what is missing and no more: from
 * the last byte that came, through a new redirect, with the credential of somebody who waits. Where nothing helps, all
 * clients are broken off together, short of the length that they were told.
 */

const MIB = 1024 * 1024;
const SIZE = 4 * MIB + 321;
const CUT = 3 * MIB;
const DATA = { kind: 'data', method: 'GET' } as const;
const BLOB = { kind: 'blob', method: 'GET' } as const;

/** What may end a body in the middle; after each, the rest is asked for. */
const BREAKS: readonly (readonly [string, Misbehaviour])[] = [
  ['is reset', { truncateAt: CUT, reset: true }],
  ['is closed', { truncateAt: CUT }],
  ['is closed before its last byte', { truncateAt: SIZE - 1 }],
  ['is closed after its first byte', { truncateAt: 1 }],
  ['is closed before its first byte', { truncateAt: 0 }],
  ['is cut in the middle of a chunk', { truncateAt: CUT, contentLength: 'chunked' }],
  ['ends cleanly too early, without a length', { truncateAt: CUT, contentLength: 'close' }],
];

describe('integration/resume', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let bytes: Buffer;
  let digest: string;
  let request: ProxyRequest;

  async function start(flags: Record<string, string> = {}): Promise<void> {
    registry = await startFakeRegistry({ delivery: { redirect: 307 } });
    bytes = seededBytes(SIZE, 'resumed');
    ({ digest } = registry.content.addBlob('a', bytes));
    proxy = await startProxy({ registries: [registry], flags });
    request = { ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${digest}` };
  }

  beforeEach(() => start());
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  /** The ranges that the CDN was asked for, the question for the first byte left out. */
  function ranges(): (string | undefined)[] {
    const asked = registry.find(DATA).map(({ headers }) => headerValue(headers, 'range'));
    return asked.filter((range) => range !== 'bytes=0-0');
  }

  async function assertStored(): Promise<void> {
    await proxy.settled();
    const again = await proxyGet(request);
    assert.match(again.header('cache-status') ?? '', /entrepot; hit/);
    assert.ok(again.body.equals(bytes));
  }

  for (const [what, how] of BREAKS) {
    it(`H01 gives one unbroken body when the upstream's ${what}`, async () => {
      registry.misbehave(DATA, how, 1);
      const answer = await proxyGet(request);
      assert.deepEqual([answer.status, answer.complete], [200, true]);
      assert.ok(answer.body.equals(bytes));
      const from = how.truncateAt ?? 0;
      assert.deepEqual(ranges(), [undefined, from === 0 ? undefined : `bytes=${from}-`]);
      await assertStored();
    });
  }

  it('H01 goes on as often as there is progress', async () => {
    const rule = registry.misbehave(DATA, { truncateAt: 500_000, reset: true });
    const answer = await proxyGet(request);
    assert.ok(answer.complete && answer.body.equals(bytes));
    assert.equal(rule.uses, Math.ceil(SIZE / 500_000));
    await assertStored();
  });

  it('H16 is one download for its followers, before and after the break', async () => {
    const rule = registry.misbehave(DATA, { stall: CUT, truncateAt: CUT, reset: true }, 1);
    const clients = await Promise.all(Array.from({ length: 8 }, () => proxyOpen(request)));
    await rule.stalled();
    rule.release();
    for (const client of clients) {
      const answer = await client.rest();
      assert.ok(answer.complete && answer.body.equals(bytes));
    }
    assert.deepEqual(ranges(), [undefined, `bytes=${CUT}-`]);
    assert.equal(await proxy.metric(`entrepot_resumes_total{registry="${registry.authority}"}`), 1);
  });

  it('goes on with a range that one client asked for', async () => {
    registry.misbehave(DATA, { truncateAt: CUT }, 1);
    const range = `bytes=${CUT - 1000}-${CUT + 999}`;
    const answer = await proxyGet({ ...request, headers: ['Range', range] });
    assert.deepEqual([answer.status, answer.complete], [206, true]);
    assert.ok(answer.body.equals(bytes.subarray(CUT - 1000, CUT + 1000)));
  });

  it('H04 gives a connection up that stands still, and goes on over another one', async () => {
    await proxy.close();
    await registry.close();
    await start({ 'upstream-idle-timeout': '1s' });
    registry.misbehave(DATA, { stall: CUT }, 1);
    const answer = await proxyGet(request);
    assert.ok(answer.complete && answer.body.equals(bytes));
    assert.deepEqual(ranges(), [undefined, `bytes=${CUT}-`]);
  });

  it('H09 asks for a new address when the old one has expired', async () => {
    registry.misbehave(DATA, { status: 403, body: Buffer.from('expired') }, 1);
    registry.misbehave(DATA, { truncateAt: CUT }, 1);
    const answer = await proxyGet(request);
    assert.ok(answer.complete && answer.body.equals(bytes));
    assert.deepEqual(ranges(), [undefined, `bytes=${CUT}-`, `bytes=${CUT}-`]);
    const addresses = registry.find(DATA).map(({ path }) => path);
    assert.equal(registry.hits(BLOB), addresses.length, 'an address is used once');
  });

  it('skips what it has when the upstream knows no ranges', async () => {
    registry.misbehave(DATA, { ignoreRange: true });
    registry.misbehave(DATA, { truncateAt: CUT }, 1);
    const answer = await proxyGet(request);
    assert.ok(answer.complete && answer.body.equals(bytes));
    assert.deepEqual(ranges(), [undefined, `bytes=${CUT}-`]);
  });

  it('uses no part that speaks of another length', async () => {
    const lie = { setHeaders: { 'Content-Range': `bytes ${CUT}-${SIZE}/${SIZE + 1}` } };
    registry.misbehave(DATA, lie, 1);
    registry.misbehave(DATA, { truncateAt: CUT }, 1);
    const answer = await proxyGet(request);
    assert.ok(answer.complete && answer.body.equals(bytes));
    assert.deepEqual(ranges(), [undefined, `bytes=${CUT}-`, undefined]);
  });

  it('H12 never gives two bodies out as one, and gets the right one the next time', async () => {
    registry.misbehave(DATA, { corruptAt: 5 }, 1);
    registry.misbehave(DATA, { truncateAt: CUT }, 1);
    const answer = await proxyGet(request);
    assert.equal(answer.complete, false);
    assert.ok(answer.body.length < SIZE);
    const again = await proxyGet(request);
    assert.ok(again.complete && again.body.equals(bytes));
    assert.equal(ranges().at(-1), undefined, 'nothing of the wrong body is used again');
  });

  /** A download that stands still, and will break off: alice's, whom bob follows. */
  async function openForTwo() {
    registry.auth.mode = 'basic';
    registry.auth.setAccess('a', ['alice', 'bob']);
    const as = (user: string, password: string) => ({
      ...request,
      headers: ['Authorization', `Basic ${btoa(`${user}:${password}`)}`],
    });
    const rule = registry.misbehave(DATA, { stall: CUT, truncateAt: CUT }, 1);
    const alice = await proxyOpen(as('alice', 'secret'));
    await rule.stalled();
    const bob = await proxyOpen(as('bob', 'hunter2'));
    return { rule, alice, bob, as };
  }

  it('goes on in the name of a client that waits when the first one has lost its right', async () => {
    const { rule, alice, bob } = await openForTwo();
    registry.auth.setAccess('a', ['bob']);
    registry.forget();
    rule.release();
    for (const client of [alice, bob]) {
      const answer = await client.rest();
      assert.ok(answer.complete && answer.body.equals(bytes));
    }
    const credentials = registry.find(BLOB).map(({ headers }) => headerValue(headers, 'authorization'));
    assert.deepEqual(credentials, [`Basic ${btoa('bob:hunter2')}`]);
  });

  it('breaks all off together, short of the end, when nobody who waits may go on', async () => {
    const { rule, alice, bob, as } = await openForTwo();
    registry.auth.setAccess('a', []);
    registry.forget();
    rule.release();
    for (const client of [alice, bob]) {
      const answer = await client.rest();
      assert.equal(answer.complete, false);
      assert.ok(bytes.subarray(0, answer.body.length).equals(answer.body));
    }
    assert.equal(registry.hits(BLOB), 2, 'each was asked for once');
    const after = await proxyGet(as('alice', 'secret'));
    assert.equal(after.status, 403);
  });
});
