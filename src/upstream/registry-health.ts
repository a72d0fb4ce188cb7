import { ProxyError } from '../errors.js';
import { parseChallenges } from '../http/challenge.js';
import type { RawHeaders, Target } from '../http/exchange.js';
import { headerValues } from '../http/headers.js';
import { canonicalRegistry } from '../registries/aliases.js';
import type { UpstreamClient, UpstreamRequest } from './contract.js';
import { createEndpointWatch, type EndpointWatch, type WatchTimes } from './endpoint-watch.js';
import { bareRealm, realmAddress } from './token-realm.js';

/** What a registry was seen to want of strangers. Kept across restarts: an outage may be there first. */
export interface Manner {
  /** How it answers `GET /v2/` without credentials: 200, or 401 with a challenge of this scheme. */
  readonly ping?: 'none' | 'basic' | 'bearer';
  /** Its token server, as its challenges name it, without user, password and query. */
  readonly realm?: string;
  readonly service?: string;
}

export interface AwayRegistry {
  readonly registry: string;
  readonly what: 'registry' | 'token server';
  readonly awayMs: number;
}

export interface RegistryHealthOptions {
  /** For questions; each asks for a connection of its own. */
  readonly client: UpstreamClient;
  readonly memory: {
    get(registry: string): Promise<Manner | undefined>;
    set(registry: string, manner: Manner): Promise<void>;
  };
  onChange(change: AwayRegistry & { readonly isAway: boolean }): void;
  readonly times?: Partial<WatchTimes>;
}

/** Which registries answer, and which have a token server that does. */
export interface RegistryHealth {
  /** True where a request need not be sent: nobody would answer. Without a credential it takes the token server, too. */
  isAway(target: Target, anonymous: boolean): boolean;
  /** How long a request may be without an answer before `answers` is worth asking, milliseconds. */
  patienceMs(target: Target): number;
  /** Asks the registry now whether it is there. Never rejects. */
  answers(target: Target): Promise<boolean>;
  /** Whether whoever follows the registry's challenge will find somebody there; true where it is not known to have a token server. */
  tokenServerAnswers(target: Target): Promise<boolean>;
  manner(target: Target): Promise<Manner>;
  /** A registry answered. */
  answered(request: UpstreamRequest, status: number, headers: RawHeaders): void;
  /** A request to it got no answer, or one that says that it cannot answer now. */
  failed(target: Target): void;
  /** A client found nobody at this address, which may be that of a token server. */
  unreachable(host: string, port: number): void;
  /** All that are away. */
  readonly away: readonly AwayRegistry[];
  close(): void;
}

interface Watched {
  readonly registry: EndpointWatch;
  manner: Manner | undefined;
  tokenServer: { readonly realm: string; readonly target: Target; readonly watch: EndpointWatch } | undefined;
}

/** Registries that are watched; the least recently used is forgotten. */
const MAX_WATCHED = 500;
/** A token server that has answered within this is not asked again. */
const TOKEN_SERVER_FRESH_MS = 10_000;

export function createRegistryHealth(options: RegistryHealthOptions): RegistryHealth {
  const watched = new Map<string, Watched>();

  async function ask(target: Target, path: string, timeoutMs: number, registry: Target): Promise<boolean> {
    const headers = ['Accept', '*/*', 'User-Agent', 'entrepot', 'Accept-Encoding', 'identity', 'Connection', 'close'];
    const signal = AbortSignal.timeout(timeoutMs);
    const led = target === registry ? {} : { onBehalfOf: registry };
    const asking = options.client.send({ target, ...led, method: 'GET', path, headers, signal });
    // A connection that is being made does not hear the signal.
    const late = new Promise<false>((resolve) =>
      signal.addEventListener('abort', () => resolve(false), { once: true }),
    );
    const answered = asking.then(
      (response) => {
        response.discard();
        return response.status === 429 || !isOutageStatus(response.status);
      },
      // What we may not ask, or whom we do not trust, may well be there for others.
      (error: unknown) => !isOutageFault(error),
    );
    return Promise.race([late, answered]);
  }

  function watch(what: AwayRegistry['what'], registry: Target, target: Target, path: string): EndpointWatch {
    const name = canonicalRegistry(registry.host, registry.port, registry.scheme);
    return createEndpointWatch({
      ask: (timeoutMs) => ask(target, path, timeoutMs, registry),
      onChange: (isAway, awayMs) => options.onChange({ registry: name, what, isAway, awayMs }),
      ...(options.times && { every: options.times }),
    });
  }

  function of(target: Target): Watched {
    const registry = canonicalRegistry(target.host, target.port, target.scheme);
    const known = watched.get(registry) ?? {
      registry: watch('registry', target, target, '/v2/'),
      manner: undefined,
      tokenServer: undefined,
    };
    watched.delete(registry);
    watched.set(registry, known);
    for (const [name, oldest] of watched) {
      if (watched.size <= MAX_WATCHED) break;
      forget(oldest);
      watched.delete(name);
    }
    return known;
  }

  function forget({ registry, tokenServer }: Watched): void {
    registry.close();
    tokenServer?.watch.close();
  }

  async function manner(target: Target): Promise<Manner> {
    const known = of(target);
    if (known.manner) return known.manner;
    const registry = canonicalRegistry(target.host, target.port, target.scheme);
    const stored = (await options.memory.get(registry).catch(() => undefined)) ?? {};
    known.manner ??= stored;
    watchTokenServer(known, target);
    return known.manner;
  }

  function watchTokenServer(known: Watched, target: Target): void {
    const { realm, service } = known.manner ?? {};
    if (realm === undefined || known.tokenServer?.realm === realm) return;
    known.tokenServer?.watch.close();
    const address = realmAddress(realm, service, target.scheme);
    known.tokenServer = address && {
      realm,
      target: address.target,
      watch: watch('token server', target, address.target, address.path),
    };
  }

  async function learn(target: Target, seen: Manner): Promise<void> {
    const before = await manner(target);
    const after = { ...before, ...seen };
    if (after.ping === before.ping && after.realm === before.realm && after.service === before.service) return;
    const known = of(target);
    known.manner = after;
    watchTokenServer(known, target);
    await options.memory.set(canonicalRegistry(target.host, target.port, target.scheme), after);
  }

  return {
    isAway(target, anonymous) {
      const { registry, tokenServer } = of(target);
      registry.wanted();
      if (anonymous) tokenServer?.watch.wanted();
      return registry.isAway || (anonymous && tokenServer?.watch.isAway === true);
    },
    patienceMs: (target) => of(target).registry.patienceMs,
    answers: (target) => of(target).registry.check(),
    async tokenServerAnswers(target) {
      await manner(target);
      const server = of(target).tokenServer?.watch;
      if (!server) return true;
      if (server.isAway) return false;
      return server.answeredWithin(TOKEN_SERVER_FRESH_MS) || server.check();
    },
    manner,
    answered({ target, path, headers: sent }, status, headers) {
      of(target).registry.answered();
      const seen = mannerOf(path, sent, status, headers);
      if (seen) void learn(target, seen).catch(() => {});
    },
    failed(target) {
      const { registry } = of(target);
      if (!registry.isAway) void registry.check();
    },
    unreachable(host, port) {
      for (const { tokenServer } of watched.values()) {
        if (tokenServer?.target.host === host && tokenServer.target.port === port) void tokenServer.watch.check();
      }
    },
    get away() {
      return [...watched].flatMap(([registry, { registry: itself, tokenServer }]) => {
        const all = [
          { registry, what: 'registry', awayMs: itself.awayMs },
          { registry, what: 'token server', awayMs: tokenServer?.watch.awayMs ?? 0 },
        ] as const;
        return all.filter(({ awayMs }) => awayMs > 0);
      });
    },
    close() {
      for (const one of watched.values()) forget(one);
      watched.clear();
    },
  };
}

/**
 * Headers by which no registry knows anybody. What was said to a request with any other may have been said to a cookie or
 * to a key, and would let everybody be logged in during an outage.
 */
const SAYS_NOBODY: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'connection',
  'content-length',
  'docker-distribution-api-version',
  'host',
  'user-agent',
  'via',
]);

/** What an answer tells of how the registry treats strangers; undefined where it tells nothing. */
function mannerOf(path: string, sent: RawHeaders, status: number, headers: RawHeaders): Manner | undefined {
  const isStranger = sent.every((name, i) => i % 2 === 1 || SAYS_NOBODY.has(name.toLowerCase()));
  if (path === '/v2/' && status === 200 && isStranger) return { ping: 'none' };
  if (status !== 401) return undefined;
  const challenges = parseChallenges(headerValues(headers, 'www-authenticate'));
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  const named = bearer?.params.get('realm');
  const realm = named === undefined ? undefined : bareRealm(named);
  const service = bearer?.params.get('service');
  const token = { ...(realm !== undefined && { realm }), ...(service !== undefined && { service }) };
  if (path !== '/v2/' || !isStranger) return bearer && token;
  if (bearer) return { ping: 'bearer', ...token };
  return challenges.some(({ scheme }) => scheme === 'basic') ? { ping: 'basic' } : undefined;
}

const NO_ANSWER: ReadonlySet<string> = new Set([
  'upstream-dns',
  'upstream-connect',
  'upstream-timeout',
  'upstream-truncated',
  'upstream-parent',
  'offline',
]);

/** Whether a request failed because nobody answered. An answer that is none, a bad certificate and our own rules are no outage. */
export function isOutageFault(error: unknown): boolean {
  return error instanceof ProxyError && NO_ANSWER.has(error.code);
}

/** Whether a status says that the registry cannot answer now; from 520 on, a CDN before it says so. */
export function isOutageStatus(status: number): boolean {
  return OUTAGE_STATUSES.has(status) || (status >= 520 && status <= 530);
}

const OUTAGE_STATUSES: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/** The same client, whose answers and failures are told to `health`. Only what a registry answers counts, no CDN and no token server. */
export function watchedBy(client: UpstreamClient, health: RegistryHealth): UpstreamClient {
  return {
    async send(request) {
      if (!request.path.startsWith('/v2/')) return client.send(request);
      try {
        const response = await client.send(request);
        if (response.status !== 429 && isOutageStatus(response.status)) health.failed(request.target);
        else health.answered(request, response.status, response.headers);
        return response;
      } catch (error) {
        if (isOutageFault(error) && !request.signal?.aborted) health.failed(request.target);
        throw error;
      }
    },
    close: () => client.close(),
  };
}
