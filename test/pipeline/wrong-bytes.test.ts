import assert from 'node:assert/strict';
import { createWrongBytes, type WantedContent, WrongBytesPause } from '../../src/pipeline/wrong-bytes.js';
import { isPending } from '../support/flight-harness.js';
import type { TestImage } from '../support/registry-content.js';
import { openStage, type Stage } from './stage.js';

const ALICE: WantedContent = { scope: 'a.test x', digest: 'sha256:1', credential: 'alice', client: '10.0.0.1' };
const BOB: WantedContent = { ...ALICE, credential: 'bob', client: '10.0.0.2' };

describe('pipeline/wrong-bytes', () => {
  let time = 0;
  let wrongBytes = createWrongBytes(() => time);
  beforeEach(() => {
    time = 0;
    wrongBytes = createWrongBytes(() => time);
  });

  /** How long the pause is, milliseconds. */
  function pauseOf(wanted: WantedContent): number {
    try {
      wrongBytes.check(wanted);
      return 0;
    } catch (error) {
      assert.ok(error instanceof WrongBytesPause);
      assert.deepEqual([error.code, error.source, error.status], ['digest-mismatch', 'upstream', 502]);
      return error.retryAfterMs;
    }
  }

  it('H10: lets the first failure pass, and pauses twice as long after each further one, up to a minute', () => {
    const pauses: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      wrongBytes.failed(ALICE, {});
      pauses.push(pauseOf(ALICE));
      time += pauseOf(ALICE);
    }
    assert.deepEqual(pauses, [0, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
    assert.equal(pauseOf(ALICE), 0);
  });

  it('says in words whose fault it is and when the registry is asked again', () => {
    for (const _ of [1, 2]) wrongBytes.failed(ALICE, {});
    time = 3_500;
    assert.throws(() => wrongBytes.check(ALICE), {
      message: 'the registry has sent other bytes than those of sha256:1, 2 times in a row; it is asked again in 2 s',
    });
  });

  it('counts one download once, however many waited for it', () => {
    const fault = {};
    for (const wanted of [ALICE, ALICE, BOB]) wrongBytes.failed(wanted, fault);
    assert.deepEqual([pauseOf(ALICE), pauseOf(BOB)], [0, 0]);
  });

  it('forgets failures with the first success, and after ten minutes', () => {
    for (const _ of [1, 2]) wrongBytes.failed(ALICE, {});
    wrongBytes.worked(ALICE);
    assert.equal(pauseOf(ALICE), 0);
    wrongBytes.failed(ALICE, {});
    time = 600_001;
    wrongBytes.failed(ALICE, {});
    assert.equal(pauseOf(ALICE), 0);
  });

  it('holds nobody up by what one client alone was sent, whatever credentials it shows', () => {
    for (let n = 0; n < 9; n += 1) wrongBytes.failed({ ...ALICE, credential: String(n % 3) }, {});
    assert.ok(pauseOf({ ...ALICE, credential: '1' }) > 0);
    assert.equal(pauseOf(BOB), 0);
    assert.equal(pauseOf({ ...ALICE, credential: 'new' }), 0);
  });

  it('holds everybody up where two clients were sent other bytes, for that digest of that repository', () => {
    wrongBytes.failed(ALICE, {});
    wrongBytes.failed(BOB, {});
    const other = { ...ALICE, credential: 'carol', client: '10.0.0.3' };
    assert.equal(pauseOf(other), 5_000);
    assert.equal(pauseOf({ ...other, digest: 'sha256:2' }), 0);
    assert.equal(pauseOf({ ...other, scope: 'a.test y' }), 0);
    wrongBytes.worked(other);
    assert.equal(pauseOf(other), 0);
  });

  it('remembers a bounded number', () => {
    wrongBytes.failed(ALICE, {});
    for (let n = 0; n < 10_000; n += 1) wrongBytes.failed({ ...ALICE, digest: `sha256:x${n}` }, {});
    wrongBytes.failed(ALICE, {});
    assert.equal(pauseOf(ALICE), 0);
  });

  describe('in the pipeline', () => {
    let stage: Stage;
    let image: TestImage;
    beforeEach(async () => {
      stage = await openStage();
      image = stage.registry.content.addImage('team/app', 'v1');
    });
    afterEach(() => stage.close());

    it('H10: holds nobody up for having waited for what another was sent', async () => {
      const { digest } = image.config;
      const path = `/v2/team/app/blobs/${digest}`;
      const rule = { kind: 'blob', method: 'GET', reference: digest } as const;
      for (const _ of [1, 2]) {
        const held = stage.registry.misbehave(rule, { corruptAt: 3, stall: 'head' });
        const leader = stage.ask({ path });
        await held.stalled();
        const follower = stage.ask({ path, headers: ['Cookie', 'another'] });
        await isPending(follower);
        held.release();
        await Promise.all([leader, follower]);
      }
      stage.registry.misbehave(rule, {});
      const good = await stage.ask({ path, headers: ['Cookie', 'another'] });
      assert.deepEqual([good.status, good.state], [200, 'ended']);
    });

    for (const kind of ['blob', 'manifest'] as const) {
      it(`H10: asks no more for a ${kind} that keeps coming with other bytes, until the pause is over`, async () => {
        const digest = kind === 'blob' ? image.config.digest : image.digest;
        const path = `/v2/team/app/${kind}s/${digest}`;
        const rule = { kind, method: 'GET', reference: digest } as const;
        const count = (): number => stage.registry.hits({ ...rule, own: false });
        stage.registry.misbehave(rule, { corruptAt: 3 });
        for (const _ of [1, 2]) {
          const bad = await stage.ask({ path });
          assert.ok(bad.status !== 200 || bad.state !== 'ended');
        }
        const before = count();
        const held = await stage.ask({ path });
        assert.deepEqual([held.status, held.header('Retry-After')], [502, '5']);
        assert.match(held.body.toString(), /the registry has sent other bytes than those of sha256:/);
        assert.equal(count(), before);
        stage.registry.misbehave(rule, {});
        stage.advance(5_000);
        const good = await stage.ask({ path });
        assert.deepEqual([good.status, good.state], [200, 'ended']);
      });
    }
  });
});
