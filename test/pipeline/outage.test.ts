import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import { hear, type Question } from '../../src/pipeline/outage.js';

type Answer = { readonly status: number };

const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;
const GONE = new ProxyError('upstream-connect', 'nobody is there');

describe('pipeline/outage', () => {
  let asked: number;
  let abandoned: Answer[];
  let health: { away: boolean; there: boolean; tokens: boolean };

  beforeEach(() => {
    asked = 0;
    abandoned = [];
    health = { away: false, there: true, tokens: true };
  });

  function ask(answer: Promise<Answer>, more: Partial<Question<Answer, string>> = {}) {
    const context = {
      health: {
        isAway: () => health.away,
        patienceMs: () => 0,
        answers: async () => health.there,
        tokenServerAnswers: async () => health.tokens,
      },
    } as unknown as Question<Answer, string>['context'];
    return hear<Answer, string>({
      context,
      target,
      anonymous: false,
      ask: () => {
        asked += 1;
        return answer;
      },
      instead: async () => 'what is held',
      abandon: (late) => void abandoned.push(late),
      ...more,
    });
  }

  for (const status of [200, 307, 400, 401, 403, 404, 416, 501]) {
    it(`takes ${status} for an answer`, async () => {
      const answer = { status };
      assert.deepEqual(await ask(Promise.resolve(answer)), { answer });
    });
  }

  for (const status of [429, 500, 502, 503, 504]) {
    it(`says something else instead of ${status}, where there is something, and throws the answer away`, async () => {
      const answer = { status };
      assert.deepEqual(await ask(Promise.resolve(answer)), { instead: 'what is held' });
      assert.deepEqual(abandoned, [answer]);
      assert.deepEqual(await ask(Promise.resolve(answer), { instead: async () => undefined }), { answer });
    });
  }

  it('passes a fault on where there is nothing to say instead, or where it is no outage', async () => {
    assert.deepEqual(await ask(Promise.reject(GONE)), { instead: 'what is held' });
    await assert.rejects(ask(Promise.reject(GONE), { instead: async () => undefined }), GONE);
    for (const code of ['upstream-tls', 'egress-refused', 'client-gone'] as const) {
      await assert.rejects(ask(Promise.reject(new ProxyError(code, 'x'))), { code });
    }
  });

  it('does not ask a registry that is away, unless there is nothing else to say', async () => {
    health.away = true;
    assert.deepEqual(await ask(Promise.resolve({ status: 200 })), { instead: 'what is held' });
    assert.equal(asked, 0);
    await ask(Promise.resolve({ status: 200 }), { instead: async () => undefined });
    assert.equal(asked, 1);
  });

  it('waits for a registry that is slow, and gives one up that is not there', async () => {
    let answer: (value: Answer) => void = () => {};
    const slow = new Promise<Answer>((resolve) => {
      answer = resolve;
    });
    const waiting = ask(slow);
    setImmediate(() => setImmediate(() => answer({ status: 200 })));
    assert.deepEqual(await waiting, { answer: { status: 200 } });

    health.there = false;
    const silent = new Promise<Answer>((resolve) => {
      answer = resolve;
    });
    assert.deepEqual(await ask(silent), { instead: 'what is held' });
    const late = { status: 200 };
    answer(late);
    await silent;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(abandoned, [late], 'an answer that comes later holds no connection');
  });

  it('takes a challenge for an outage only where a stranger would find no token server behind it', async () => {
    health.tokens = false;
    const refusal = Promise.resolve({ status: 401 });
    assert.deepEqual(await ask(refusal), { answer: { status: 401 } });
    assert.deepEqual(await ask(refusal, { anonymous: true }), { instead: 'what is held' });
    health.tokens = true;
    assert.deepEqual(await ask(refusal, { anonymous: true }), { answer: { status: 401 } });
  });
});
