import assert from 'node:assert/strict';
import type { Permission } from '../../src/access/access.js';
import { ProxyError } from '../../src/errors.js';
import type { Digest } from '../../src/oci/digest.js';
import { fill } from '../../src/pipeline/fill.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import { seededBytes, type TestBlob } from '../support/registry-content.js';
import type { RecordedReply } from './recorded-reply.js';
import { type Asked, openStage, type Stage } from './stage.js';

const SIZE = 1_000_000;
const GET = { kind: 'blob', method: 'GET' } as const;

describe('pipeline/fill', () => {
  let stage: Stage;
  let layer: TestBlob;

  beforeEach(async () => {
    stage = await openStage();
    layer = stage.registry.content.addBlob('team/app', seededBytes(SIZE, 'layer'));
  });
  afterEach(() => stage.close());

  function start(asked: Partial<Asked> = {}) {
    const visit = stage.visit({ path: `/v2/team/app/blobs/${layer.digest}`, ...asked });
    const digest = layer.digest as Digest;
    stage.context.access.allow(visit.scope, visit.credential, digest, layer.bytes.length, false);
    const done = fill(visit, digest, 'granted', layer.bytes.length).then(() => visit.exchange.reply);
    done.catch(() => {});
    return { visit, done };
  }

  function whole(reply: RecordedReply): boolean {
    return reply.status === 200 && reply.state === 'ended' && reply.body.equals(layer.bytes);
  }

  async function over(): Promise<void> {
    await stage.context.flights.find(`${stage.registry.authority} team/app ${layer.digest}`)?.done;
  }

  it('is one download for all who may, and is stored with its delivery', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 500_000 });
    const first = start();
    await rule.stalled();
    const later = Array.from({ length: 20 }, (_, i) => start({ headers: ['Cookie', `${i}`] }));
    rule.release();
    const replies = await Promise.all([first, ...later].map(({ done }) => done));
    assert.ok(replies.every(whole));
    assert.equal(replies[0]?.header('Cache-Status'), 'entrepot; fwd=uri-miss; stored');
    assert.equal(replies[7]?.header('Cache-Status'), 'entrepot; fwd=uri-miss; collapsed');
    assert.equal(stage.registry.hits(GET), 1);
    await over();
    assert.equal((await stage.store.lookup(layer.digest as Digest))?.sizeBytes, SIZE);
    assert.ok(await stage.context.access.isDelivered(first.visit.scope, layer.digest as Digest));
    assert.deepEqual(stage.delivered, [stage.target]);
  });

  it('does not say that it is stored where the store has no room, and delivers all the same', async () => {
    stage.context.store.createSpool = async () => {
      throw new ProxyError('store', 'no room');
    };
    const reply = await start().done;
    assert.ok(whole(reply));
    assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=uri-miss; detail=not-stored');
  });

  it('is a hit for whoever asks again before the disk has finished', async () => {
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const createSpool = stage.context.store.createSpool.bind(stage.context.store);
    stage.context.store.createSpool = async (expectedBytes) => {
      const spool = await createSpool(expectedBytes);
      const commit = spool.commit.bind(spool);
      spool.commit = (digest, mediaType) => finished.then(() => commit(digest, mediaType));
      return spool;
    };
    assert.ok(whole(await start().done));
    const again = await start().done;
    assert.ok(whole(again));
    assert.equal(again.header('Cache-Status'), 'entrepot; hit; detail=granted');
    assert.equal(stage.registry.hits(GET), 1);
    finish();
    await over();
  });

  it('goes on without its first client', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 500_000 });
    const first = start({ leaveAfterBytes: 1 });
    await rule.stalled();
    await assert.rejects(first.done, { code: 'client-gone' });
    const second = start();
    rule.release();
    assert.ok(whole(await second.done));
    assert.equal(stage.registry.hits(GET), 1);
  });

  for (const status of [401, 403, 404, 500]) {
    it(`gives a ${status} to the client whose request it was; followers ask for themselves`, async () => {
      const rule = stage.registry.misbehave(GET, { status, body: Buffer.from('no'), stall: 'head' }, 1);
      const leader = start();
      await rule.stalled();
      const followers = [start(), start()];
      rule.release();
      const refused = await leader.done;
      assert.deepEqual([refused.status, refused.text], [status, 'no']);
      assert.equal(refused.header('Cache-Status'), 'entrepot; fwd=bypass; detail=refused');
      assert.ok((await Promise.all(followers.map(({ done }) => done))).every(whole));
      assert.equal(stage.registry.hits(GET), 2);
    });
  }

  it('passes a follower through after three leaders were turned away', async () => {
    const rule = stage.registry.misbehave(GET, { status: 403, body: Buffer.from('no') });
    const replies = await Promise.all(Array.from({ length: 6 }, () => start().done));
    assert.ok(replies.every((reply) => reply.status === 403 && reply.text === 'no'));
    rule.remove();
  });

  const odd: readonly [string, Misbehaviour, string][] = [
    ['gzip', { gzip: true }, 'refused'],
    ['deflate', { setHeaders: { 'Content-Encoding': 'deflate' } }, 'refused'],
  ];
  for (const [what, how, reason] of odd) {
    it(`passes a body in ${what} on as it is, and stores nothing`, async () => {
      stage.registry.misbehave(GET, how);
      const reply = await start().done;
      assert.deepEqual([reply.status, reply.header('Content-Encoding')], [200, what]);
      assert.equal(reply.header('Cache-Status'), `entrepot; fwd=bypass; detail=${reason}`);
      assert.equal(stage.store.usage.entries, 0);
    });
  }

  it('takes a part for no whole', async () => {
    stage.registry.misbehave(GET, { status: 206, setHeaders: { 'Content-Range': `bytes 0-${SIZE - 1}/${SIZE}` } });
    const { visit, done } = start();
    await assert.rejects(done, { code: 'upstream-protocol' });
    assert.deepEqual([visit.exchange.reply.headSent, stage.store.usage.entries], [false, 0]);
  });

  const breaks: readonly [string, Misbehaviour][] = [
    ['cut', { truncateAt: 700_000 }],
    ['reset', { truncateAt: 700_000, reset: true }],
    ['one byte short', { truncateAt: SIZE - 1 }],
  ];
  for (const [what, how] of breaks) {
    it(`H01 goes on where a body is ${what}, and stores the whole`, async () => {
      stage.registry.misbehave(GET, how, 1);
      assert.ok(whole(await start().done));
      assert.equal(stage.registry.hits(GET), 2);
      await over();
      assert.equal(stage.store.usage.entries, 1);
    });
  }

  const broken: readonly [string, Misbehaviour, string][] = [
    ...breaks.map(([what, how]): [string, Misbehaviour, string] => [what, how, 'upstream-truncated']),
    ['of other bytes', { corruptAt: SIZE - 1 }, 'digest-mismatch'],
    ['too long, in chunks', { extraBytes: Buffer.from('x'), contentLength: 'chunked' }, 'digest-mismatch'],
  ];
  for (const [what, how, code] of broken) {
    it(`never ends a body cleanly that is ${what} for good, nor stores it`, async () => {
      stage.registry.misbehave(GET, code === 'upstream-truncated' ? { hangUp: true } : how);
      stage.registry.misbehave(GET, how, 1);
      const { visit, done } = start();
      await assert.rejects(done, { code });
      assert.ok(visit.exchange.reply.sentBytes < SIZE);
      assert.deepEqual([visit.exchange.reply.state, stage.store.usage.entries], ['open', 0]);
      assert.equal(await stage.context.access.isDelivered(visit.scope, layer.digest as Digest), false);
    });
  }

  it('serves ranges from what arrives, and stores the whole', async () => {
    const reply = await start({ headers: ['Range', 'bytes=10-19'] }).done;
    assert.deepEqual([reply.status, reply.header('Content-Range')], [206, `bytes 10-19/${SIZE}`]);
    assert.ok(reply.body.equals(layer.bytes.subarray(10, 20)));
    await over();
    assert.equal(stage.store.usage.entries, 1);
    const [sent] = stage.registry.find(GET);
    assert.ok(!sent?.headers.includes('Range'));
  });

  it('follows the redirect without the credential', async () => {
    stage.registry.delivery = { redirect: 307 };
    assert.ok(whole(await start({ headers: ['Authorization', 'Bearer t'] }).done));
    assert.equal(stage.registry.hits({ server: 'cdn', authorized: true }), 0);
    assert.equal(stage.registry.hits({ server: 'registry', authorized: true }), 1);
  });

  const members: readonly [string, Pick<Permission, 'sizeBytes' | 'inherited'>, Misbehaviour, boolean][] = [
    ['the right length', { sizeBytes: SIZE }, {}, true],
    ['a proof that was compared', { sizeBytes: undefined }, {}, true],
    ['another length', { sizeBytes: 5000 }, {}, false],
    ['another length from a manifest', { sizeBytes: 5000, inherited: true }, {}, false],
    ['some length, before it is known', { sizeBytes: SIZE }, { contentLength: 'chunked' }, false],
    [
      'a length from a manifest, before it is known',
      { sizeBytes: SIZE, inherited: true },
      { contentLength: 'chunked' },
      true,
    ],
  ];
  for (const [what, permission, how, joins] of members) {
    it(`${joins ? 'lets in' : 'sends its own way'} who was allowed with ${what}`, async () => {
      const rule = stage.registry.misbehave(GET, { ...how, stall: 500_000 }, 1);
      const first = start();
      await rule.stalled();
      stage.context.access.permission = async () => ({ by: 'granted', ...permission });
      const second = start();
      if (!joins) assert.equal((await second.done).header('Cache-Status'), 'entrepot; fwd=bypass; detail=not-proven');
      rule.release();
      assert.ok(whole(await first.done));
      assert.ok(whole(await second.done));
      assert.equal(stage.registry.hits(GET), joins ? 1 : 2);
    });
  }

  describe('judges a follower when the body starts', () => {
    /** A follower that was let in while the head of the flight was still to come; `meanwhile` happens before it does. */
    async function followed(meanwhile: (visit: ReturnType<typeof start>['visit']) => Promise<void> | void) {
      const rule = stage.registry.misbehave(GET, { stall: 'head' }, 1);
      const leader = start();
      await rule.stalled();
      const { visit, done } = start({ headers: ['Cookie', 'x'] });
      await meanwhile(visit);
      rule.release();
      assert.ok(whole(await leader.done));
      return done;
    }

    it('E06 and gives it nothing where the registry refused it meanwhile', async () => {
      const reply = await followed(async (visit) => {
        await stage.context.access.observe({ ...visit, digest: undefined, status: 401, refusalCounts: true });
        stage.registry.misbehave({ kind: 'blob' }, { status: 403, body: Buffer.from('denied') });
      });
      assert.deepEqual([reply.status, reply.text], [403, 'denied']);
      assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=bypass; detail=refused');
    });

    it('E08 and asks again where its grant has ended', async () => {
      const reply = await followed(() => stage.advance(60_001));
      assert.ok(whole(reply));
      // The body may be whole by the time of the answer.
      assert.match(reply.header('Cache-Status') ?? '', /^entrepot; (?:fwd=uri-miss; collapsed|hit; detail=probed)$/);
      assert.deepEqual([stage.registry.hits({ kind: 'blob', method: 'HEAD' }), stage.registry.hits(GET)], [1, 1]);
    });

    it('E09 and gives it nothing where the registry has no answer', async () => {
      await assert.rejects(
        followed(async () => {
          stage.advance(60_001);
          stage.registry.misbehave({ kind: 'blob' }, { hangUp: true });
        }),
        { source: 'upstream' },
      );
    });
  });

  it('forgets the credential whose own request was refused on its way past a flight', async () => {
    const rule = stage.registry.misbehave(GET, { stall: 500_000 }, 1);
    const first = start();
    await rule.stalled();
    const { visit } = start({ headers: ['Cookie', 'x'] });
    stage.context.access.permission = async () => ({ by: 'granted', sizeBytes: 5000 });
    stage.registry.misbehave(GET, { status: 403 });
    const refused = start({ headers: ['Cookie', 'x'] });
    assert.equal((await refused.done).status, 403);
    Reflect.deleteProperty(stage.context.access, 'permission');
    assert.equal(
      await stage.context.access.permission(visit.scope, visit.credential, layer.digest as Digest),
      undefined,
    );
    rule.release();
    await first.done;
  });

  it('passes two ranges through that lie far ahead, and lets others wait', async () => {
    const size = 66 * 1024 * 1024;
    layer = stage.registry.content.addBlob('team/app', Buffer.alloc(size, 'far'));
    const rule = stage.registry.misbehave(GET, { stall: 500_000, truncateAt: 500_000 }, 1);
    const first = start({ headers: ['Range', 'bytes=0-9'] });
    await rule.stalled();
    const range = ['Range', `bytes=${size - 100_000}-${size - 1}`];
    const held = stage.registry.misbehave(GET, { stall: 10 });
    const far = [start({ headers: range }), start({ headers: range })];
    await held.stalled(2);
    const third = start({ headers: range });
    held.release();
    for (const { done } of far) {
      const reply = await done;
      assert.deepEqual([reply.status, reply.body.length], [206, 100_000]);
      assert.equal(reply.header('Cache-Status'), 'entrepot; fwd=partial; detail=far-ahead');
    }
    assert.equal(stage.registry.hits(GET), 3);
    assert.equal((await first.done).text, 'farfarfarf');
    rule.release();
    const waited = await third.done;
    assert.deepEqual([waited.status, waited.body.length], [206, 100_000]);
    assert.equal(waited.header('Cache-Status'), 'entrepot; fwd=uri-miss; collapsed');
    assert.equal(stage.registry.hits(GET), 4, 'the download broke off and went on');
  });

  it('blames nobody but the upstream that cannot be reached', async () => {
    await assert.rejects(start({ target: { ...stage.target, port: 1 } }).done, { code: 'upstream-connect' });
  });
});
