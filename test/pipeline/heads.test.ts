import assert from 'node:assert/strict';
import { createHeads, type HeadAnswer } from '../../src/pipeline/heads.js';

describe('pipeline/heads', () => {
  it('sends equal questions once while the first is on its way, and again afterwards', async () => {
    const heads = createHeads();
    let answer: (value: HeadAnswer) => void = () => {};
    let sent = 0;
    const send = (): Promise<HeadAnswer> => {
      sent += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    };
    const asked = [heads.ask('a', send), heads.ask('a', send), heads.ask('a', send)];
    assert.equal(sent, 1);
    answer({ status: 200, headers: [] });
    assert.deepEqual(
      await Promise.all(asked),
      Array.from({ length: 3 }, () => ({ status: 200, headers: [] })),
    );
    const later = heads.ask('a', send);
    assert.equal(sent, 2);
    answer({ status: 404, headers: [] });
    assert.equal((await later).status, 404);
  });

  it('keeps different questions apart', async () => {
    const heads = createHeads();
    const [a, b] = await Promise.all([
      heads.ask('a', async () => ({ status: 200, headers: [] })),
      heads.ask('b', async () => ({ status: 401, headers: [] })),
    ]);
    assert.deepEqual([a.status, b.status], [200, 401]);
  });

  it('shares a failure and forgets it', async () => {
    const heads = createHeads();
    const broken = async (): Promise<HeadAnswer> => {
      throw new Error('down');
    };
    const asked = [heads.ask('a', broken), heads.ask('a', broken)];
    for (const one of asked) await assert.rejects(one, /down/);
    assert.equal((await heads.ask('a', async () => ({ status: 200, headers: [] }))).status, 200);
  });

  it('knows which question runs, and whether the same runs for another credential', async () => {
    const heads = createHeads();
    let answer: (value: HeadAnswer) => void = () => {};
    const asked = heads.ask('tag alice', () => new Promise((resolve) => (answer = resolve)), 'tag');
    const other = heads.ask('tag bob', async () => ({ status: 200, headers: [] }), 'tag');
    assert.deepEqual([heads.isRunning('tag alice'), heads.isRunning('tag carol')], [true, false]);
    assert.deepEqual([heads.isAsking('tag'), heads.isAsking('other')], [true, false]);
    await other;
    assert.equal(heads.isAsking('tag'), true);
    answer({ status: 200, headers: [] });
    await asked;
    assert.deepEqual([heads.isRunning('tag alice'), heads.isAsking('tag')], [false, false]);
  });
});
