import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { createPublicProofs, type ProofCandidate } from '../../src/pipeline/public-proofs.js';
import type { PublicAnswer } from '../../src/upstream/anonymous.js';

/** By default each of a registry of its own. */
function candidate(name: string, host = `r${name}.test`): ProofCandidate {
  const digest = `sha256:${name.padStart(64, '0')}` as Digest;
  const target = { scheme: 'https', host, port: 443 } as const;
  return { target, scope: `${host} a`, repository: 'a', digest, sizeBytes: 1 };
}

/** Proofs over a fake registry that holds its answers back, and a clock that stands still. */
function harness(everyMs = 1000) {
  const proven = new Set<string>();
  const dropped: string[] = [];
  const asked: { digest: string; signal: AbortSignal; answer(value: PublicAnswer): void }[] = [];
  const clock = { now: 0 };
  const proofs = createPublicProofs({
    access: {
      isPublic: async (_scope, digest) => proven.has(digest),
      provePublic: async (_scope, digest) => void proven.add(digest),
      dropPublic: async (_scope, digest) => void dropped.push(digest),
    },
    ask: ({ digest }, signal) =>
      new Promise((answer) => {
        asked.push({ digest, signal, answer });
      }),
    everyMs,
    now: () => clock.now,
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { proofs, proven, dropped, asked, clock, turn };
}

describe('pipeline/public-proofs', () => {
  it('writes a yes down and takes a no back', async () => {
    const { proofs, proven, dropped, asked, turn } = harness();
    proofs.offer(candidate('1'));
    proofs.offer(candidate('2'));
    await turn();
    asked[0]?.answer('public');
    asked[1]?.answer('private');
    await proofs.idle();
    assert.deepEqual([...proven], [candidate('1').digest]);
    assert.deepEqual(dropped, [candidate('2').digest]);
  });

  it('asks about one manifest once in its time, whatever the answer was', async () => {
    const { proofs, asked, clock, turn } = harness(1000);
    proofs.offer(candidate('1'));
    await turn();
    asked[0]?.answer('private');
    await proofs.idle();
    clock.now = 999;
    proofs.offer(candidate('1'));
    await turn();
    assert.equal(asked.length, 1);
    clock.now = 1000;
    proofs.offer(candidate('1'));
    await turn();
    assert.equal(asked.length, 2);
    asked[1]?.answer('public');
    await proofs.close();
  });

  it('asks no more than four at a time, in the order of the offers', async () => {
    const { proofs, asked, turn } = harness();
    for (const name of ['1', '2', '3', '4', '5']) proofs.offer(candidate(name));
    await turn();
    assert.equal(asked.length, 4);
    asked[0]?.answer('public');
    await turn();
    assert.deepEqual(
      asked.map(({ digest }) => digest),
      ['1', '2', '3', '4', '5'].map((name) => candidate(name).digest),
    );
    for (const one of asked) one.answer('public');
    await proofs.idle();
  });

  it('asks a registry one thing at a time, so that one that never answers holds up its own proofs only', async () => {
    const { proofs, proven, asked, turn } = harness();
    for (let i = 1; i <= 300; i += 1) proofs.offer(candidate(`${i}`, 'tarpit.test'));
    await turn();
    assert.equal(asked.length, 1);
    proofs.offer(candidate('aa'));
    await turn();
    asked[1]?.answer('public');
    await turn();
    assert.deepEqual([...proven], [candidate('aa').digest]);
    let answered = 0;
    for (; asked.length > answered; await turn()) {
      for (; answered < asked.length; answered += 1) asked[answered]?.answer('private');
    }
    assert.equal(asked.length, 1 + 1 + 250, 'what waits is bounded for each registry');
    await proofs.close();
  });

  it('does not ask about what an index has proven while it waited', async () => {
    const { proofs, proven, asked, turn } = harness();
    const [one, child] = [candidate('1', 'r.test'), candidate('2', 'r.test')];
    proofs.offer(one);
    proofs.offer(child);
    await turn();
    proven.add(child.digest);
    asked[0]?.answer('public');
    await proofs.idle();
    assert.equal(asked.length, 1);
  });

  it('asks as soon as a proof has ended that stood at the last offer', async () => {
    const { proofs, proven, asked, turn } = harness();
    proven.add(candidate('1').digest);
    proofs.offer(candidate('1'));
    await proofs.idle();
    proven.delete(candidate('1').digest);
    proofs.offer(candidate('1'));
    await turn();
    assert.equal(asked.length, 1);
    asked[0]?.answer('public');
    await proofs.idle();
  });

  it('gives up what is being asked when it is closed', async () => {
    const { proofs, asked, turn } = harness();
    proofs.offer(candidate('1'));
    await turn();
    const closed = proofs.close();
    assert.equal(asked[0]?.signal.aborted, true);
    asked[0]?.answer('unknown');
    await closed;
  });

  it('asks nothing after it was closed', async () => {
    const { proofs, asked, turn } = harness();
    await proofs.close();
    proofs.offer(candidate('1'));
    await turn();
    assert.equal(asked.length, 0);
  });
});
