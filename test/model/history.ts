import * as fc from 'fast-check';
import { ModelProxy, type ModelRequest, type Parts, RIGHT_PARTS } from './model-proxy.js';
import { type ModelClock, Oracle, type RuleTimes } from './oracle.js';
import { POOL } from './pool.js';
import { EVIL_HOST, HOSTS, LIES, type Lie, OUTAGES, type OutageKind, REPOSITORIES, USERS, World } from './world.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const RULE_TIMES: RuleTimes = { grantTtlMs: MINUTE, publicTtlMs: HOUR, publicKeptMs: 30 * DAY, linkMaxAgeMs: 30 * DAY };

/** One request of a history: who asks whom for what. Numbers are taken modulo what there is to choose from. */
interface Ask {
  readonly place: number;
  readonly user: number;
  readonly way: number;
  readonly what: number;
  readonly method: 'GET' | 'HEAD';
  readonly ranged: boolean;
}

type Step =
  | { readonly do: 'ask'; readonly asks: readonly Ask[]; readonly slowness: number }
  | { readonly do: 'push'; readonly place: number; readonly what: number; readonly parts: boolean }
  | { readonly do: 'delete'; readonly place: number; readonly what: number; readonly through: boolean }
  | { readonly do: 'readers'; readonly place: number; readonly readers: number }
  | { readonly do: 'rotate'; readonly user: number }
  | { readonly do: 'evict'; readonly what: number }
  | { readonly do: 'lie'; readonly lie: Lie }
  | { readonly do: 'restart' }
  | { readonly do: 'outage'; readonly place: number; readonly kind: OutageKind }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'set-clock'; readonly ms: number };

export interface History {
  readonly hosts: readonly string[];
  readonly steps: readonly Step[];
}

const small = fc.nat({ max: 23 });
const ask: fc.Arbitrary<Ask> = fc.record({
  place: small,
  user: small,
  way: small,
  what: small,
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD'),
  ranged: fc.integer({ min: 0, max: 7 }).map((n) => n === 0),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 50,
    arbitrary: fc.record({
      do: fc.constant('ask'),
      asks: fc.array(ask, { minLength: 1, maxLength: 1 }),
      slowness: fc.constant(0),
    }),
  },
  { weight: 14, arbitrary: fc.record({ do: fc.constant('ask'), asks: crowd(), slowness: small }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('push'), place: small, what: small, parts: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('delete'), place: small, what: small, through: fc.boolean() }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('readers'), place: small, readers: small }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rotate'), user: small }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('evict'), what: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('lie'), lie: fc.constantFrom(...LIES) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart') }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('outage'),
      place: small,
      kind: fc.constantFrom('none', 'none', 'none', 'none', ...OUTAGES),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('wait'),
      ms: fc.constantFrom(SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 20 * MINUTE, HOUR, 16 * DAY),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('set-clock'), ms: fc.constantFrom(-DAY, -10 * MINUTE, 10 * MINUTE, DAY) }),
  },
) as fc.Arbitrary<Step>;

/** Several ask at once, mostly for the same thing at the same place. */
function crowd(): fc.Arbitrary<readonly Ask[]> {
  return fc
    .tuple(ask, fc.array(ask, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([first, others, same]) => [
      first,
      ...others.map((other) => (same ? { ...other, place: first.place, what: first.what } : other)),
    ]);
}

export function historyArbitrary(steps: number): fc.Arbitrary<History> {
  return fc.record({
    hosts: fc.shuffledSubarray([...HOSTS], { minLength: 2, maxLength: 2 }).map((hosts) => [...hosts, EVIL_HOST]),
    steps: fc.array(step, { minLength: steps, maxLength: steps }),
  });
}

interface Outcome {
  readonly violations: readonly string[];
  readonly served: ReadonlyMap<string, number>;
}

/** Lives through a history, with the parts that are given, and tells which bytes went where they must not. */
export async function live(history: History, parts: Parts = RIGHT_PARTS): Promise<Outcome> {
  const clock: ModelClock = { monotonicMs: 1_000_000, wallMs: Date.UTC(2026, 10, 21) };
  const oracle = new Oracle(clock, RULE_TIMES);
  const world = new World(oracle, clock);
  const proxy = new ModelProxy({ world, oracle, clock, times: RULE_TIMES, parts });
  settle(world, history.hosts);
  for (const step of history.steps) {
    await take(step, history.hosts, { clock, oracle, world, proxy });
    if (proxy.violations.length > 0) break;
  }
  return { violations: proxy.violations, served: proxy.served };
}

/** A shorter history that breaks the rule as well: whole stretches of steps are left out as long as it still does. */
export async function shorten(history: History, parts: Parts = RIGHT_PARTS): Promise<History> {
  let steps = [...history.steps];
  for (let length = steps.length >> 1; length >= 1; length >>= 1) {
    for (let at = 0; at < steps.length; ) {
      const fewer = [...steps.slice(0, at), ...steps.slice(at + length)];
      const { violations } = await live({ ...history, steps: fewer }, parts);
      if (violations.length > 0) steps = fewer;
      else at += length;
    }
  }
  return { ...history, steps };
}

/** What is there at the beginning: one repository that everybody may read, the others of one user. */
function settle(world: World, hosts: readonly string[]): void {
  for (const [i, host] of hosts.entries()) {
    for (const name of REPOSITORIES) {
      const repository = world.repository(host, name);
      if (host === EVIL_HOST) repository.readers = 'all';
      else for (const content of POOL) repository.held.add(content);
      for (const content of POOL)
        if (content.kind === 'manifest') repository.tags.set(tagOf(POOL.indexOf(content)), content);
    }
    if (i === 1) world.repository(host, REPOSITORIES[1]).readers = 'all';
  }
}

interface Stage {
  readonly clock: ModelClock;
  readonly oracle: Oracle;
  readonly world: World;
  readonly proxy: ModelProxy;
}

async function take(step: Step, hosts: readonly string[], { clock, oracle, world, proxy }: Stage): Promise<void> {
  switch (step.do) {
    case 'ask':
      world.slowness = step.slowness;
      oracle.begin(step.asks.length);
      await proxy.answer(step.asks.map((ask) => requestOf(ask, hosts, world)));
      return oracle.finish();
    case 'push': {
      const repository = repositoryAt(step.place, hosts, world);
      const content = contentAt(step.what);
      repository.held.add(content);
      if (step.parts) for (const part of POOL) if (content.covers.has(part.digest)) repository.held.add(part);
      if (content.kind === 'manifest') repository.tags.set(tagOf(step.what), content);
      return undefined;
    }
    case 'delete': {
      const content = contentAt(step.what);
      if (!step.through) return void repositoryAt(step.place, hosts, world).held.delete(content);
      const { host, name } = placeAt(step.place, hosts);
      const path = `/v2/${name}/${content.kind}s/${content.digest}`;
      oracle.begin(1);
      await proxy.answer([{ host, repository: name, method: 'DELETE', path, headers: world.headersOf('ann', 0) }]);
      return oracle.finish();
    }
    case 'readers': {
      const choices = ['all', new Set<string>(), new Set(['ann']), new Set(['ann', 'bob']), new Set(['bob'])] as const;
      repositoryAt(step.place, hosts, world).readers = choices[step.readers % choices.length] ?? 'all';
      return undefined;
    }
    case 'rotate':
      return world.rotate(USERS[step.user % USERS.length] ?? '');
    case 'evict':
      return proxy.store.remove(contentAt(step.what).digest);
    case 'lie':
      world.lie = step.lie;
      return undefined;
    case 'outage':
      return world.setOutage(placeAt(step.place, hosts).host, step.kind);
    case 'restart':
      return proxy.restart();
    case 'wait':
      clock.monotonicMs += step.ms;
      clock.wallMs += step.ms;
      return undefined;
    case 'set-clock':
      clock.wallMs += step.ms;
      return undefined;
  }
}

function placeAt(place: number, hosts: readonly string[]): { host: string; name: string } {
  const host = hosts[place % hosts.length] ?? '';
  return { host, name: REPOSITORIES[Math.floor(place / hosts.length) % REPOSITORIES.length] ?? '' };
}

function repositoryAt(place: number, hosts: readonly string[], world: World): ReturnType<World['repository']> {
  const { host, name } = placeAt(place, hosts);
  return world.repository(host, name);
}

function contentAt(what: number): (typeof POOL)[number] {
  return POOL[what % POOL.length] as (typeof POOL)[number];
}

function tagOf(what: number): string {
  return `v${what % POOL.length}`;
}

function requestOf(ask: Ask, hosts: readonly string[], world: World): ModelRequest {
  const { host, name } = placeAt(ask.place, hosts);
  const content = contentAt(ask.what);
  const byTag = content.kind === 'manifest' && ask.what >= POOL.length * 2;
  const path = `/v2/${name}/${content.kind}s/${byTag ? tagOf(ask.what) : content.digest}`;
  const user = USERS[ask.user % USERS.length] ?? '';
  // A piece of a manifest would not tell whose it is.
  const range = ask.ranged && content.kind === 'blob' ? ['Range', 'bytes=8-31'] : [];
  const headers = ['Accept', '*/*', ...range, ...world.headersOf(user, ask.way)];
  return { host, repository: name, method: ask.method, path, headers };
}
