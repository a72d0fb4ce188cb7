import assert from 'node:assert/strict';
import { Access, type HeldManifest } from '../../src/access/access.js';
import { type Credential, createCredentialReader } from '../../src/access/credential.js';
import { Grants } from '../../src/access/grants.js';
import { Links } from '../../src/access/links.js';
import { PublicContent } from '../../src/access/public-content.js';
import type { Digest } from '../../src/oci/digest.js';
import { createMemoryFacts } from '../support/memory-facts.js';
import { digestOfBytes } from '../support/memory-store.js';

const HUB = 'docker.io team/app';
const OTHER_REPOSITORY = 'docker.io team/fork';
const EVIL_HOST = 'evil.test team/app';

const reader = createCredentialReader();
const alice = reader.read(['Authorization', 'Bearer alice']);
const mallory = reader.read(['Authorization', 'Bearer mallory']);
const stranger = reader.read([]);

function named(name: string): Digest {
  return digestOfBytes(Buffer.from(name));
}

describe('access/access', () => {
  let now = 0;
  let held: Map<Digest, HeldManifest>;
  let access: Access;

  function build(mode: 'check' | 'open' = 'check'): Access {
    const rows = createMemoryFacts();
    return new Access({
      grants: new Grants({ ttlMs: 60_000, now: () => now }),
      links: new Links({ rows, maxAgeMs: 30 * 86_400_000, now: () => now }),
      publicContent: new PublicContent({ rows, ttlMs: 3600_000, now: () => now }),
      manifests: async (digest) => held.get(digest),
      mode,
    });
  }

  beforeEach(() => {
    now = 1_800_000_000_000;
    held = new Map();
    access = build();
  });

  /** Stores a manifest of `sizeBytes` that lists these names; a name in `manifests` is listed as a manifest. */
  function store(name: string, listed: readonly string[], manifests: readonly string[] = []): number {
    const descriptors = [...listed, ...manifests].map((child) => ({
      digest: named(child),
      sizeBytes: 100 + child.length,
      mediaType: 'application/octet-stream',
      kind: manifests.includes(child) ? ('manifest' as const) : ('blob' as const),
      foreign: false,
    }));
    const sizeBytes = 100 + name.length;
    held.set(named(name), { mediaType: 'application/json', descriptors, subject: undefined, sizeBytes });
    return sizeBytes;
  }

  async function mayRead(scope: string, credential: Credential, digest: Digest): Promise<boolean> {
    const permission = await access.permission(scope, credential, digest);
    return permission !== undefined && (await access.isDelivered(scope, digest));
  }

  it('gives content that is allowed and delivered, and none that is only one of them', async () => {
    const digest = named('layer');
    assert.equal(await mayRead(HUB, alice, digest), false);
    access.allow(HUB, alice, digest, 5, false);
    assert.equal(await mayRead(HUB, alice, digest), false);
    await access.delivered(HUB, digest);
    assert.equal(await mayRead(HUB, alice, digest), true);
    assert.equal(await mayRead(HUB, mallory, digest), false);
    assert.equal(await mayRead(HUB, stranger, digest), false);
  });

  it('keeps the length of the yes, so that a yes for something else is seen', async () => {
    access.allow(HUB, alice, named('layer'), 5, false);
    const permission = await access.permission(HUB, alice, named('layer'));
    assert.deepEqual(permission, { by: 'granted', sizeBytes: 5, inherited: false });
  });

  for (const [what, scope] of [
    ['host', EVIL_HOST],
    ['repository', OTHER_REPOSITORY],
  ] as const) {
    it(`gives nothing through another ${what} that says yes to everything but has delivered nothing`, async () => {
      await access.delivered(HUB, named('secret'));
      access.allow(scope, mallory, named('secret'), 6, false);
      access.allow(scope, stranger, named('secret'), 6, false);
      assert.equal(await mayRead(scope, mallory, named('secret')), false);
      assert.equal(await mayRead(scope, stranger, named('secret')), false);
      await access.provePublic(scope, named('secret'), now);
      assert.equal(await mayRead(scope, mallory, named('secret')), false);
    });
  }

  it('gives content through another repository where it is public at one that delivered it', async () => {
    await access.delivered(HUB, named('base'));
    await access.provePublic(HUB, named('base'), now);
    access.allow(OTHER_REPOSITORY, mallory, named('base'), 4, false);
    assert.equal(await mayRead(OTHER_REPOSITORY, mallory, named('base')), true);
    now += 3600_000;
    access.allow(OTHER_REPOSITORY, mallory, named('base'), 4, false);
    assert.equal(await mayRead(OTHER_REPOSITORY, mallory, named('base')), false);
  });

  it('does not take a client that shows nothing for the proxy itself: its yes makes nothing public', async () => {
    await access.delivered(HUB, named('secret'));
    access.allow(HUB, stranger, named('secret'), 4711, false);
    assert.equal(await access.isPublic(HUB, named('secret')), false);
    assert.equal(await access.permission(HUB, mallory, named('secret')), undefined);
  });

  it('lets a manifest share its answer and its time with what it lists, as long as the manifest is held', async () => {
    access.allow(HUB, alice, named('root'), 104, true);
    assert.equal(await access.permission(HUB, alice, named('layer')), undefined);
    store('root', ['layer']);
    const permission = await access.permission(HUB, alice, named('layer'));
    assert.deepEqual(permission, { by: 'granted', sizeBytes: 105, inherited: true });
    now += 60_000;
    assert.equal(await access.permission(HUB, alice, named('layer')), undefined);
  });

  it('lets nothing follow from a yes whose length is not that of the manifest', async () => {
    const sizeBytes = store('root', ['layer']);
    await access.delivered(HUB, named('layer'));
    access.allow(HUB, mallory, named('root'), sizeBytes + 1, true);
    assert.equal(await access.permission(HUB, mallory, named('layer')), undefined);
    access.allow(HUB, mallory, named('root'), sizeBytes, true);
    assert.equal(await mayRead(HUB, mallory, named('layer')), true);
  });

  it('reaches through four levels of manifests and no further (E17)', async () => {
    for (let level = 0; level < 6; level += 1) store(`level ${level}`, [`blob ${level}`], [`level ${level + 1}`]);
    access.allow(HUB, alice, named('level 0'), 107, true);
    for (const [level, expected] of [
      [0, true],
      [3, true],
      [4, false],
      [5, false],
    ] as const) {
      assert.equal(
        (await access.permission(HUB, alice, named(`blob ${level}`))) !== undefined,
        expected,
        `blob ${level}`,
      );
    }
    assert.ok(await access.permission(HUB, alice, named('level 4')));
    assert.equal(await access.permission(HUB, alice, named('level 5')), undefined);
  });

  it('comes to an end where manifests list each other', async () => {
    store('a', [], ['b']);
    store('b', [], ['a']);
    access.allow(HUB, alice, named('a'), 101, true);
    assert.ok(await access.permission(HUB, alice, named('b')));
    assert.equal(await access.permission(HUB, alice, named('c')), undefined);
    await access.provePublic(HUB, named('a'), now);
    assert.equal(await access.isPublic(HUB, named('b')), true);
  });

  it('lets a public manifest cover its stored tree, and what is stored of it later', async () => {
    await access.provePublic(HUB, named('root'), now);
    store('root', ['layer'], ['child']);
    assert.equal(await access.isPublic(HUB, named('layer')), false);
    await access.delivered(HUB, named('root'));
    assert.equal(await access.isPublic(HUB, named('layer')), true);
    store('child', ['deep']);
    await access.delivered(HUB, named('child'));
    assert.equal(await access.isPublic(HUB, named('deep')), true);
    assert.deepEqual(await access.permission(HUB, mallory, named('deep')), { by: 'public', sizeBytes: undefined });
    now += 3600_000;
    assert.equal(await access.isPublic(HUB, named('deep')), false);
  });

  it('gives others their turn while a large manifest is proven public (J06)', async () => {
    store(
      'large',
      Array.from({ length: 2000 }, (_, i) => `part ${i}`),
    );
    let turns = 0;
    function turn(): void {
      turns += 1;
      ticking = setImmediate(turn);
    }
    let ticking = setImmediate(turn);
    await access.provePublic(HUB, named('large'), now);
    clearImmediate(ticking);
    assert.ok(turns >= 7, `${turns} turns`);
    assert.equal(await access.isPublic(HUB, named('part 1999')), true);
  });

  it('stops covering after four levels', async () => {
    for (let level = 0; level < 6; level += 1) store(`level ${level}`, [], [`level ${level + 1}`]);
    await access.provePublic(HUB, named('level 0'), now);
    assert.equal(await access.isPublic(HUB, named('level 4')), true);
    assert.equal(await access.isPublic(HUB, named('level 5')), false);
  });

  const answers = [
    { status: 401, refusalCounts: true, grants: false, sibling: false, link: true },
    { status: 403, refusalCounts: true, grants: false, sibling: false, link: true },
    { status: 401, refusalCounts: false, grants: true, sibling: true, link: true },
    { status: 404, refusalCounts: true, grants: false, sibling: true, link: false },
    { status: 404, refusalCounts: false, grants: false, sibling: true, link: false },
    { status: 429, refusalCounts: true, grants: true, sibling: true, link: true },
    { status: 500, refusalCounts: true, grants: true, sibling: true, link: true },
    { status: 200, refusalCounts: true, grants: true, sibling: true, link: true },
  ];
  for (const { status, refusalCounts, ...left } of answers) {
    it(`after a ${status} that ${refusalCounts ? 'counts' : 'is to a HEAD of a blob'} keeps ${JSON.stringify(left)}`, async () => {
      for (const name of ['one', 'two']) {
        await access.delivered(HUB, named(name));
        access.allow(HUB, alice, named(name), 3, false);
      }
      access.allow(HUB, mallory, named('one'), 3, false);
      await access.observe({ scope: HUB, credential: alice, digest: named('one'), status, refusalCounts });
      assert.deepEqual(
        {
          grants: (await access.permission(HUB, alice, named('one'))) !== undefined,
          sibling: (await access.permission(HUB, alice, named('two'))) !== undefined,
          link: await access.isDelivered(HUB, named('one')),
        },
        left,
      );
      assert.ok(await access.permission(HUB, mallory, named('one')), 'a refusal to one is none to another');
    });
  }

  it('keeps the link where a 404 went to somebody whom the registry does not know there', async () => {
    await access.delivered(HUB, named('one'));
    await access.observe({ scope: HUB, credential: mallory, digest: named('one'), status: 404, refusalCounts: true });
    assert.equal(await access.isDelivered(HUB, named('one')), true);
    access.allow(HUB, mallory, named('two'), 3, false);
    now += 60_000;
    await access.observe({ scope: HUB, credential: mallory, digest: named('one'), status: 404, refusalCounts: true });
    assert.equal(await access.isDelivered(HUB, named('one')), true);
  });

  it('takes a 404 to a stranger for the end of being public', async () => {
    await access.provePublic(HUB, named('one'), now);
    await access.observe({ scope: HUB, credential: alice, digest: named('one'), status: 404, refusalCounts: true });
    assert.equal(await access.isPublic(HUB, named('one')), true);
    await access.observe({ scope: HUB, credential: stranger, digest: named('one'), status: 404, refusalCounts: true });
    assert.equal(await access.isPublic(HUB, named('one')), false);
  });

  it('gives out nothing any more that the repository was seen to delete', async () => {
    await access.delivered(HUB, named('one'));
    await access.provePublic(HUB, named('one'), now);
    access.allow(HUB, alice, named('one'), 3, false);
    await access.deleted(HUB, named('one'));
    assert.equal(await mayRead(HUB, alice, named('one')), false);
    assert.equal(await mayRead(HUB, stranger, named('one')), false);
  });

  it('ends a link that nobody has confirmed for thirty days, whoever is granted (E21, W17)', async () => {
    await access.delivered(HUB, named('one'));
    now += 30 * 86_400_000;
    access.allow(HUB, alice, named('one'), 3, false);
    assert.equal(await mayRead(HUB, alice, named('one')), false);
  });

  it('asks nobody in open mode', async () => {
    access = build('open');
    assert.deepEqual(await access.permission(HUB, stranger, named('x')), { by: 'open', sizeBytes: undefined });
    assert.equal(await access.isDelivered(HUB, named('x')), true);
  });

  describe('where the registry cannot be asked', () => {
    const DAY = 86_400_000;

    it('lets everybody read what was public up to 30 days ago, with all that it lists (E09)', async () => {
      store('app', ['layer']);
      await access.delivered(HUB, named('app'));
      await access.delivered(HUB, named('layer'));
      await access.provePublic(HUB, named('app'), now);
      now += 29 * DAY;
      for (const name of ['app', 'layer']) {
        assert.equal(await access.permission(HUB, mallory, named(name)), undefined);
        assert.equal((await access.stalePermission(HUB, mallory, named(name)))?.by, 'public');
        assert.equal(await access.stalePermission(OTHER_REPOSITORY, mallory, named(name)), undefined);
      }
      now += 2 * DAY;
      assert.equal(await access.stalePermission(HUB, mallory, named('app')), undefined);
      assert.equal(await access.wasDelivered(HUB, named('layer')), true);
    });

    it('lets a credential read what it was granted, as long as it was for and no longer (W7)', async () => {
      access.allow(HUB, alice, named('app'), store('app', ['layer']), true);
      assert.equal((await access.stalePermission(HUB, alice, named('layer')))?.by, 'granted');
      assert.equal(await access.stalePermission(HUB, mallory, named('layer')), undefined);
      now += 60_000;
      assert.equal(await access.stalePermission(HUB, alice, named('layer')), undefined);
    });

    it('takes nothing for delivered that only another, private repository has delivered', async () => {
      await access.delivered(OTHER_REPOSITORY, named('app'));
      assert.equal(await access.wasDelivered(HUB, named('app')), false);
      await access.provePublic(OTHER_REPOSITORY, named('app'), now);
      assert.equal(await access.wasDelivered(HUB, named('app')), true);
    });

    it('forgets the proofs of all that a repository has when it hides one of them from strangers (E16)', async () => {
      store('app', ['layer']);
      await access.provePublic(HUB, named('app'), now);
      await access.dropPublic(HUB, named('other'));
      for (const name of ['app', 'layer'])
        assert.equal(await access.stalePermission(HUB, mallory, named(name)), undefined);
    });
  });
});
