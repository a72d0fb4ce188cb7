import assert from 'node:assert/strict';
import { type GrantedChild, Grants } from '../../src/access/grants.js';
import { digestOfBytes } from '../support/memory-store.js';

const SCOPE = 'registry.test team/app';
const OTHER = 'registry.test team/other';

function digest(name: string) {
  return digestOfBytes(Buffer.from(name));
}

function child(name: string, isManifest = false): GrantedChild {
  return { digest: digest(name), sizeBytes: name.length, isManifest };
}

describe('access/grants', () => {
  let now = 0;
  let grants = new Grants({ ttlMs: 1000, now: () => now });

  beforeEach(() => {
    now = 5000;
    grants = new Grants({ ttlMs: 1000, now: () => now });
  });

  /** What the set passes on, manifest by manifest, as `access` does it. */
  function expand(manifest: string, children: readonly GrantedChild[]): boolean {
    const found = grants.unexpanded(SCOPE, 'alice').find((held) => held.digest === digest(manifest));
    if (found) grants.expand(SCOPE, 'alice', found.digest, found.grant, children);
    return found !== undefined;
  }

  it('holds a yes for one digest, one credential and one repository', () => {
    grants.add(SCOPE, 'alice', digest('a'), 7, false);
    assert.equal(grants.find(SCOPE, 'alice', digest('a'))?.sizeBytes, 7);
    assert.equal(grants.find(SCOPE, 'bob', digest('a')), undefined);
    assert.equal(grants.find(OTHER, 'alice', digest('a')), undefined);
    assert.equal(grants.find(SCOPE, 'alice', digest('b')), undefined);
  });

  it('W4: takes no yes that was asked for before the registry refused the credential', () => {
    const askedAt = grants.now();
    now += 10;
    grants.revoke(SCOPE, 'alice');
    now += 10;
    grants.add(SCOPE, 'alice', digest('a'), 7, true, askedAt);
    assert.equal(grants.find(SCOPE, 'alice', digest('a')), undefined);
    grants.add(SCOPE, 'bob', digest('a'), 7, true, askedAt);
    assert.ok(grants.find(SCOPE, 'bob', digest('a')));
    grants.add(SCOPE, 'alice', digest('a'), 7, true, grants.now());
    assert.ok(grants.find(SCOPE, 'alice', digest('a')));
  });

  it('forgets a yes when its time is over, and not before', () => {
    grants.add(SCOPE, 'alice', digest('a'), 7, false);
    now += 999;
    assert.ok(grants.find(SCOPE, 'alice', digest('a')));
    assert.ok(grants.hasAny(SCOPE, 'alice'));
    now += 1;
    assert.equal(grants.find(SCOPE, 'alice', digest('a')), undefined);
    assert.equal(grants.hasAny(SCOPE, 'alice'), false);
  });

  it('asks always where the life of a yes is zero', () => {
    grants = new Grants({ ttlMs: 0, now: () => now });
    grants.add(SCOPE, 'alice', digest('a'), 7, true);
    assert.equal(grants.find(SCOPE, 'alice', digest('a')), undefined);
    assert.deepEqual(grants.unexpanded(SCOPE, 'alice'), []);
  });

  it('drops all of a credential in a repository on a refusal, and nothing else', () => {
    for (const [scope, who] of [
      [SCOPE, 'alice'],
      [SCOPE, 'bob'],
      [OTHER, 'alice'],
    ] as const) {
      grants.add(scope, who, digest('a'), 7, false);
    }
    grants.revoke(SCOPE, 'alice');
    assert.equal(grants.find(SCOPE, 'alice', digest('a')), undefined);
    assert.equal(grants.hasAny(SCOPE, 'alice'), false);
    assert.ok(grants.find(SCOPE, 'bob', digest('a')));
    assert.ok(grants.find(OTHER, 'alice', digest('a')));
  });

  it('drops one digest where it is gone, and still knows the credential', () => {
    grants.add(SCOPE, 'alice', digest('a'), 7, false);
    grants.add(SCOPE, 'alice', digest('b'), 7, false);
    grants.revokeDigest(SCOPE, 'alice', digest('a'));
    assert.equal(grants.find(SCOPE, 'alice', digest('a')), undefined);
    assert.ok(grants.find(SCOPE, 'alice', digest('b')));
    assert.ok(grants.hasAny(SCOPE, 'alice'));
  });

  it('passes on the time of the answer, not that of the look', () => {
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    now += 600;
    assert.ok(expand('m', [child('layer')]));
    assert.deepEqual(grants.find(SCOPE, 'alice', digest('layer')), {
      at: 5000,
      sizeBytes: 5,
      depth: 1,
      expanded: true,
    });
    now += 400;
    assert.equal(grants.find(SCOPE, 'alice', digest('layer')), undefined);
  });

  it('passes a manifest on once', () => {
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    assert.ok(expand('m', []));
    assert.equal(expand('m', []), false);
  });

  it('passes no older answer on to a digest that is gone since', () => {
    grants.add(SCOPE, 'alice', digest('manifest'), 8, true);
    now += 10;
    grants.revokeDigest(SCOPE, 'alice', digest('b'));
    expand('manifest', [child('a'), child('b')]);
    assert.ok(grants.find(SCOPE, 'alice', digest('a')));
    assert.equal(grants.find(SCOPE, 'alice', digest('b')), undefined);
    now += 10;
    grants.add(SCOPE, 'alice', digest('manifest'), 8, true);
    expand('manifest', [child('a'), child('b')]);
    assert.ok(grants.find(SCOPE, 'alice', digest('b')), 'the manifest was shown again after that');
  });

  it('does not know a credential by what is gone for it, nor counts what it never granted', () => {
    grants.revokeDigest(SCOPE, 'alice', digest('a'));
    assert.deepEqual(grants.size, { sets: 0, grants: 0 });
    grants.add(SCOPE, 'alice', digest('b'), 1, false);
    now += 600;
    grants.revokeDigest(SCOPE, 'alice', digest('a'));
    now += 600;
    assert.equal(grants.hasAny(SCOPE, 'alice'), false);
  });

  it('reaches four levels down and no further', () => {
    grants.add(SCOPE, 'alice', digest('level 0'), 7, true);
    for (let level = 0; level < 4; level += 1) assert.ok(expand(`level ${level}`, [child(`level ${level + 1}`, true)]));
    assert.ok(grants.find(SCOPE, 'alice', digest('level 4')));
    assert.deepEqual(grants.unexpanded(SCOPE, 'alice'), []);
  });

  it('passes nothing on from a grant that was revoked or renewed while its manifest was read', () => {
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    const [seen] = grants.unexpanded(SCOPE, 'alice');
    assert.ok(seen);
    grants.revoke(SCOPE, 'alice');
    grants.expand(SCOPE, 'alice', seen.digest, seen.grant, [child('layer')]);
    assert.equal(grants.find(SCOPE, 'alice', digest('layer')), undefined);
    now += 1;
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    grants.expand(SCOPE, 'alice', seen.digest, seen.grant, [child('layer')]);
    assert.equal(grants.find(SCOPE, 'alice', digest('layer')), undefined);
  });

  it('never makes a newer answer older', () => {
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    now += 500;
    grants.add(SCOPE, 'alice', digest('layer'), 5, false);
    assert.ok(expand('m', [child('layer')]));
    now += 600;
    assert.ok(grants.find(SCOPE, 'alice', digest('layer')));
  });

  it('forgets the least recently granted pairs first', () => {
    grants = new Grants({ ttlMs: 1000, now: () => now, maxSets: 2 });
    for (const who of ['alice', 'bob', 'alice', 'carol']) grants.add(SCOPE, who, digest('a'), 1, false);
    assert.equal(grants.size.sets, 2);
    assert.equal(grants.hasAny(SCOPE, 'bob'), false);
    assert.ok(grants.hasAny(SCOPE, 'alice'));
  });

  it('bounds the digests of all pairs together, so that made-up credentials cost no memory (E19, W16)', () => {
    grants = new Grants({ ttlMs: 1000, now: () => now, maxGrants: 100 });
    for (let i = 0; i < 50; i += 1)
      for (let j = 0; j < 10; j += 1) grants.add(SCOPE, `c${i}`, digest(`${j}`), 1, false);
    assert.deepEqual(grants.size, { sets: 10, grants: 100 });
    // What is gone keeps its place, as a bar to older answers.
    grants.revokeDigest(SCOPE, 'c49', digest('1'));
    grants.revokeDigest(SCOPE, 'c49', digest('1'));
    grants.revoke(SCOPE, 'c48');
    assert.deepEqual(grants.size, { sets: 9, grants: 90 });
    for (let i = 0; i < 200; i += 1) grants.revokeDigest(SCOPE, 'c49', digest(`${i}`));
    assert.ok(grants.size.grants <= 100);
  });

  it('holds 20,000 digests of one pair at most', () => {
    const children = Array.from({ length: 20_050 }, (_, i) => child(`layer ${i}`));
    grants.add(SCOPE, 'alice', digest('m'), 7, true);
    assert.ok(expand('m', children));
    assert.equal(grants.size.grants, 20_000);
    assert.ok(grants.find(SCOPE, 'alice', digest('layer 20049')));
  });

  it('frees what is too old when something new comes', () => {
    grants.add(SCOPE, 'alice', digest('a'), 1, false);
    grants.add(OTHER, 'bob', digest('a'), 1, false);
    now += 1000;
    grants.add(SCOPE, 'alice', digest('b'), 1, false);
    assert.deepEqual(grants.size, { sets: 1, grants: 1 });
  });
});
