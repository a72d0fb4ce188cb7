import assert from 'node:assert/strict';
import { type LinkFact, linkedScopes, linkFacts, type TagFact, tagFacts } from '../../src/inventory/fact-pages.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { digestOfBytes } from '../support/memory-store.js';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function numbered(n: number) {
  return digestOfBytes(Buffer.from(String(n)));
}

describe('inventory/fact-pages', () => {
  it('reads tags in order, from where it was told, and leaves out what says nothing', async () => {
    const facts = createMemoryFacts();
    await facts.set('tag', 'a.test x:2', { digest: numbered(2), at: 1 });
    await facts.set('tag', 'a.test x:1', { digest: numbered(1), at: 1 });
    await facts.set('tag', 'b.test x:1', { digest: numbered(3), at: 1 });
    await facts.set('tag', 'a.test bad:1', { digest: 'sha256:no' });
    await facts.set('tag', 'a.test bad:2', null);
    const keys = (found: readonly TagFact[]): string[] => found.map(({ key }) => key);
    assert.deepEqual(keys(await all(tagFacts(facts))), ['a.test x:1', 'a.test x:2', 'b.test x:1']);
    assert.deepEqual(keys(await all(tagFacts(facts, 'a.test ', 'a.test x:1'))), ['a.test x:2']);
    const [first] = await all(tagFacts(facts));
    assert.deepEqual(first, { key: 'a.test x:1', scope: 'a.test x', tag: '1', digest: numbered(1) });
  });

  it('reads more links than there are on a page, once each', async () => {
    const facts = createMemoryFacts();
    for (let n = 0; n < 2_001; n += 1) await facts.set('link', `a.test x ${numbered(n)}`, {});
    await facts.set('link', `a.test y ${numbered(1)}`, {});
    const found: LinkFact[] = await all(linkFacts(facts, 'a.test x '));
    assert.equal(new Set(found.map(({ digest }) => digest)).size, 2_001);
    assert.ok(found.every(({ scope }) => scope === 'a.test x'));
  });

  it('takes only links for links', async () => {
    const facts = createMemoryFacts();
    for (const key of ['a.test x', `a.test x ${numbered(1)} more`, `a.test ${numbered(1)}`, numbered(1)]) {
      await facts.set('link', key, {});
    }
    assert.deepEqual(await all(linkFacts(facts, '')), []);
  });

  it('steps from repository to repository, with one question for each', async () => {
    const facts = createMemoryFacts();
    const scopes = ['a.test x', 'a.test x-y', 'a.test x/z', 'b.test x', 'z.test x'];
    for (const scope of scopes) for (let n = 0; n < 50; n += 1) await facts.set('link', `${scope} ${numbered(n)}`, {});
    for (let n = 0; n < 50; n += 1) await facts.set('link', numbered(n), scopes);
    let questions = 0;
    const counting: Pick<typeof facts, 'page'> = {
      page: (kind, query) => {
        questions += 1;
        return facts.page(kind, query);
      },
    };
    assert.deepEqual(await all(linkedScopes(counting)), scopes);
    assert.ok(questions <= scopes.length + 2, `${questions} questions`);
    assert.deepEqual(await all(linkedScopes(facts, 'a.test ')), ['a.test x', 'a.test x-y', 'a.test x/z']);
    assert.deepEqual(await all(linkedScopes(facts, '', 'a.test x/z')), ['b.test x', 'z.test x']);
  });
});
