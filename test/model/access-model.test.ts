import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import * as fc from 'fast-check';
import { type History, historyArbitrary, live, shorten } from './history.js';
import { MISTAKES } from './mistakes.js';
import { type Parts, RIGHT_PARTS } from './model-proxy.js';

/*
 * The access rule as one property.
 *
 * Every byte sent for a digest to a credential in a repository was authorised by an answer of that repository's own
 * registry that is young enough, and was once delivered by it or is public. Random histories of users, repositories
 * and registries (one of which lies) run through the real pipeline; an oracle that saw only what passed on the wire
 * judges each body when it begins. ENTREPOT_MODEL_SEED takes other histories (`random` new ones each time), and
 * ENTREPOT_MODEL_STEPS more of them.
 */

const STEPS_PER_RUN = 500;
const STEPS = Number(process.env['ENTREPOT_MODEL_STEPS'] ?? 100_000);
const SEED = seedOf(process.env['ENTREPOT_MODEL_SEED'] ?? '20261121');
/** Most mistakes are found in the first histories; a grant that outlives a 404 shows only where the content came back. */
const RUNS_TO_FIND = 400;

function seedOf(text: string): number {
  return text === 'random' ? randomInt(2 ** 31) : Number(text);
}

interface Search {
  readonly found: { readonly history: History; readonly violation: string } | undefined;
  readonly served: ReadonlyMap<string, number>;
}

async function search(numRuns: number, seed: number, parts: Parts): Promise<Search> {
  const served = new Map<string, number>();
  let violation = '';
  let fault: unknown;
  const property = fc.asyncProperty(historyArbitrary(STEPS_PER_RUN), async (history) => {
    const outcome = await live(history, parts).catch((error: unknown) => {
      fault = error;
      return undefined;
    });
    if (!outcome) return false;
    for (const [status, count] of outcome.served) served.set(status, (served.get(status) ?? 0) + count);
    violation = outcome.violations[0] ?? '';
    return outcome.violations.length === 0;
  });
  const details = await fc.check(property, { numRuns, seed, endOnFailure: true });
  if (fault !== undefined) throw fault as Error;
  return { found: details.counterexample ? { history: details.counterexample[0], violation } : undefined, served };
}

describe('model/access', () => {
  it(`sends no byte that the registry did not allow and deliver, E20 (seed ${SEED})`, async function () {
    this.timeout(600_000);
    const { found, served } = await search(Math.ceil(STEPS / STEPS_PER_RUN), SEED, RIGHT_PARTS);
    if (found) {
      const { hosts, steps } = await shorten(found.history);
      const told = steps.map((step) => JSON.stringify(step)).join('\n');
      assert.fail(`${found.violation}\nseed ${SEED}, between ${hosts.join(', ')}:\n${told}`);
    }
    // A history in which nothing comes from the store, or nothing is shared, would prove nothing.
    const summary = JSON.stringify(Object.fromEntries(served));
    for (const detail of ['granted', 'probed', 'resolved', 'public']) {
      assert.ok((served.get(`entrepot; hit; detail=${detail}`) ?? 0) > STEPS / 1000, `${detail}: ${summary}`);
    }
    assert.ok((served.get('entrepot; fwd=stale; detail=public') ?? 0) > STEPS / 1000, summary);
    assert.ok((served.get('entrepot; fwd=uri-miss; collapsed') ?? 0) > STEPS / 1000, summary);
  });

  for (const [mistake, parts] of Object.entries(MISTAKES)) {
    it(`notices when ${mistake}`, async function () {
      this.timeout(300_000);
      const { found } = await search(RUNS_TO_FIND, SEED, { ...RIGHT_PARTS, ...parts });
      assert.ok(found, `no violation in ${RUNS_TO_FIND} histories with seed ${SEED}`);
      const short = await shorten(found.history, { ...RIGHT_PARTS, ...parts });
      assert.ok(short.steps.length < STEPS_PER_RUN / 4, `${short.steps.length} steps`);
    });
  }
});
