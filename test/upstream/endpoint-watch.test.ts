import assert from 'node:assert/strict';
import { createEndpointWatch, type EndpointWatch } from '../../src/upstream/endpoint-watch.js';

describe('upstream/endpoint-watch', () => {
  let now: number;
  let answers: boolean;
  let asked: number[];
  let changes: boolean[];
  let watch: EndpointWatch;
  /** Times without timers of its own: tests ask by hand. */
  const NEVER = { awayMs: 1e9, againMs: 1e9, unwantedMs: 1e9 };

  function open(every: Parameters<typeof createEndpointWatch>[0]['every'] = NEVER): void {
    watch = createEndpointWatch({
      async ask(timeoutMs) {
        asked.push(timeoutMs);
        if (answers) now += 1000;
        return answers;
      },
      onChange: (isAway) => void changes.push(isAway),
      now: () => now,
      every,
    });
  }

  beforeEach(() => {
    now = 1000;
    answers = true;
    asked = [];
    changes = [];
    open();
  });
  afterEach(() => watch.close());

  it('is away after one question without an answer, and back after two with', async () => {
    answers = false;
    assert.equal(await watch.check(), false);
    assert.equal(watch.isAway, true);
    answers = true;
    assert.equal(await watch.check(), true);
    assert.equal(watch.isAway, true, 'one good answer is no recovery');
    await watch.check();
    assert.equal(watch.isAway, false);
    assert.deepEqual(changes, [true, false]);
  });

  it('makes one question of equal ones at the same time', async () => {
    await Promise.all([watch.check(), watch.check(), watch.check()]);
    assert.equal(asked.length, 1);
  });

  it('is asked again by itself while it is away, until it is back', async () => {
    watch.close();
    open({ awayMs: 1, againMs: 1 });
    answers = false;
    await watch.check();
    const back = new Promise<void>((resolve) => {
      const before = changes;
      changes = new Proxy(before, {
        get: (list, key) =>
          key === 'push' ? (one: boolean) => (list.push(one), one || resolve()) : Reflect.get(list, key),
      });
    });
    answers = true;
    await back;
    assert.equal(watch.isAway, false);
  });

  it('counts answers to others, which are a start but no recovery', async () => {
    answers = false;
    await watch.check();
    watch.answered();
    assert.equal(watch.isAway, true);
    watch.answered();
    assert.equal(watch.isAway, false);
  });

  it('has more patience with what is far away', async () => {
    const before = watch.patienceMs;
    await watch.check();
    assert.ok(watch.patienceMs > before);
    await watch.check();
    assert.ok((asked[1] ?? 0) > (asked[0] ?? 0));
  });

  it('takes no verdict that is older than ten seconds', async () => {
    answers = false;
    await watch.check();
    now += 10_001;
    assert.equal(watch.isAway, false);
    await watch.check();
    assert.equal(watch.isAway, true);
    assert.deepEqual(changes, [true], 'it was away all the time');
  });

  it('knows when it was last answered', async () => {
    assert.equal(watch.answeredWithin(1000), false);
    await watch.check();
    assert.equal(watch.answeredWithin(1000), true);
    now += 1000;
    assert.equal(watch.answeredWithin(1000), false);
  });

  it('takes a question that fails for no answer, and says nothing more once it is closed', async () => {
    watch.close();
    assert.equal(await watch.check(), true);
    assert.deepEqual(changes, []);
    watch = createEndpointWatch({
      ask: () => Promise.reject(new Error('no')),
      onChange: (isAway) => void changes.push(isAway),
      every: NEVER,
    });
    assert.equal(await watch.check(), false);
    assert.deepEqual(changes, [true]);
  });
});
