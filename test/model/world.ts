import { Readable } from 'node:stream';
import { ProxyError } from '../../src/errors.js';
import type { RawHeaders } from '../../src/http/exchange.js';
import { headerValue } from '../../src/http/headers.js';
import { canonicalRegistry } from '../../src/registries/aliases.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from '../../src/upstream/contract.js';
import type { ModelClock, Oracle } from './oracle.js';
import { type Content, contentOf, POOL } from './pool.js';

/** How a registry speaks, besides the truth. */
interface Manner {
  readonly host: string;
  /** What a stranger gets: a refusal, a claim that nothing is there, or a redirect to a login page. */
  readonly strangers: 'refuse' | 'hide' | 'login';
  /** GETs of blobs lead to another host. */
  readonly cdn?: boolean;
  /** HEADs of blobs get a 401, whoever asks (public.ecr.aws). */
  readonly refusesBlobHead?: boolean;
  /** HEADs of blobs are answered for all that the registry stores, whatever the repository. */
  readonly headsEverything?: boolean;
  /** Some digests are shown to some users only, though their manifest is shown to all who may read the repository. */
  readonly byPath?: boolean;
}

const MANNERS: readonly Manner[] = [
  { host: 'plain.test', strangers: 'refuse' },
  { host: 'hiding.test', strangers: 'hide', cdn: true },
  { host: 'login.test', strangers: 'login', cdn: true },
  { host: 'headless.test', strangers: 'refuse', refusesBlobHead: true, cdn: true },
  { host: 'sloppy.test', strangers: 'refuse', headsEverything: true },
  { host: 'paths.test', strangers: 'refuse', byPath: true },
  { host: 'registry-1.docker.io', strangers: 'refuse', cdn: true },
  { host: 'docker.io', strangers: 'refuse', cdn: true },
];
export const HOSTS: readonly string[] = MANNERS.map(({ host }) => host);
/** Whoever runs this one has none of the others' bytes unless they were pushed there, and says whatever may help. */
export const EVIL_HOST = 'evil.test';
export const REPOSITORIES = ['team/app', 'team/lib'] as const;
export const USERS = ['', 'ann', 'bob'] as const;

/** What the evil host does to whoever asks. */
export const LIES = [
  'none',
  'head-yes',
  'wrong-bytes',
  'redirect',
  'first-byte-yes',
  'tag-of-another',
  'cut-off',
  'refuse',
  'page',
  'down',
] as const;
export type Lie = (typeof LIES)[number];

/** How a registry is away: nobody answers, known or not; it has a fault; it has had enough; its token server is away. */
export const OUTAGES = ['none', 'known', 'refused', 'fault', 'limit', 'no-tokens'] as const;
export type OutageKind = (typeof OUTAGES)[number];

/** A limit may be remembered for so long after it has ended, milliseconds. */
const LIMIT_MEMORY_MS = 70_000;

interface Repository {
  readonly held: Set<Content>;
  readonly tags: Map<string, Content>;
  /** Users who may read, or everybody. */
  readers: 'all' | ReadonlySet<string>;
}

interface Asked {
  readonly scope: string;
  readonly manner: Manner;
  readonly repository: Repository;
  readonly credential: string;
  readonly user: string | undefined;
  readonly content: Content | undefined;
  readonly kind: 'manifest' | 'blob';
  readonly request: UpstreamRequest;
  /** Asked by the proxy in its own name. */
  readonly own: boolean;
}

/** All registries, as one upstream client without sockets. It tells the oracle of each answer as it leaves. */
export class World implements UpstreamClient {
  readonly #oracle: Oracle;
  readonly #repositories = new Map<string, Repository>();
  readonly #passwords = new Map<string, number>();
  readonly #signed: Asked[] = [];
  readonly #outages = new Map<string, OutageKind>();
  /** Monotonic milliseconds at which a registry last said that it had enough. */
  readonly #limitedAt = new Map<string, number>();
  readonly #clock: ModelClock;
  lie: Lie = 'none';
  /** Turns of the event loop that each answer takes, so that answers cross. */
  slowness = 0;

  constructor(oracle: Oracle, clock: ModelClock) {
    this.#oracle = oracle;
    this.#clock = clock;
  }

  setOutage(host: string, kind: OutageKind): void {
    this.#outages.set(host, kind);
  }

  /** Whether a registry cannot be asked by such a client: only then may be given what was true before. */
  isAway(host: string, anonymous: boolean): boolean {
    if (host === EVIL_HOST && this.lie === 'down') return true;
    const kind = this.#outages.get(host) ?? 'none';
    if (kind === 'none' || kind === 'no-tokens') {
      const limitedAt = this.#limitedAt.get(host) ?? Number.NEGATIVE_INFINITY;
      return (kind === 'no-tokens' && anonymous) || this.#clock.monotonicMs - limitedAt < LIMIT_MEMORY_MS;
    }
    return true;
  }

  isKnownToBeAway(host: string, anonymous: boolean): boolean {
    const kind = this.#outages.get(host);
    return kind === 'known' || (kind === 'no-tokens' && anonymous);
  }

  repository(host: string, name: string): Repository {
    const scope = scopeOf(host, name);
    const known = this.#repositories.get(scope);
    if (known) return known;
    const fresh: Repository = { held: new Set(), tags: new Map(), readers: new Set(['ann']) };
    this.#repositories.set(scope, fresh);
    return fresh;
  }

  rotate(user: string): void {
    this.#passwords.set(user, this.#password(user) + 1);
  }

  /** The headers by which a user shows who it is; `stale` with a password of the past. */
  headersOf(user: string, way: number): RawHeaders {
    if (user === '') return [];
    const password = Math.max(0, this.#password(user) - (way % 4 === 3 ? 1 : 0));
    const secret = `${user}:${password}`;
    return way % 4 === 2
      ? ['Private-Token', secret]
      : ['Authorization', `Basic ${Buffer.from(secret).toString('base64')}`];
  }

  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    for (let turn = this.slowness % 4; turn > 0; turn -= 1) await new Promise((resolve) => setImmediate(resolve));
    const { host } = request.target;
    return host === 'cdn.test' ? this.#deliver(request) : this.#answer(request);
  }

  async close(): Promise<void> {}

  #password(user: string): number {
    return this.#passwords.get(user) ?? 0;
  }

  #answer(request: UpstreamRequest): UpstreamResponse {
    const { host } = request.target;
    const outage = this.#outages.get(host);
    if (outage === 'known' || outage === 'refused') throw new ProxyError('upstream-connect', `${host} is not there`);
    if (outage === 'fault') return answer(503, []);
    if (outage === 'limit') {
      this.#limitedAt.set(host, this.#clock.monotonicMs);
      return answer(429, ['Retry-After', '0']);
    }
    const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(request.path) ?? [];
    if (kind === undefined) return answer(404, []);
    const repository = this.repository(host, name);
    const asked: Asked = {
      scope: scopeOf(host, name),
      manner: MANNERS.find((manner) => manner.host === host) ?? { host, strangers: 'refuse' },
      repository,
      credential: credentialOf(request.headers),
      user: this.#userOf(request.headers),
      content: contentOf(reference) ?? repository.tags.get(reference),
      kind: kind === 'blobs' ? 'blob' : 'manifest',
      request,
      own: headerValue(request.headers, 'user-agent') === 'entrepot',
    };
    if (host === EVIL_HOST && this.lie !== 'none') return this.#lied(asked);
    return this.#truth(asked);
  }

  #userOf(headers: RawHeaders): string | undefined {
    const basic = /^Basic (.+)$/.exec(headerValue(headers, 'authorization') ?? '')?.[1];
    const secret = basic ? Buffer.from(basic, 'base64').toString() : headerValue(headers, 'private-token');
    if (secret === undefined) return '';
    const [user = '', password] = secret.split(':');
    return password === String(this.#password(user)) ? user : undefined;
  }

  #truth(asked: Asked): UpstreamResponse {
    const { manner, repository, user, content, kind, request } = asked;
    if (user === undefined) return this.#refuse(asked, 401);
    if (kind === 'blob' && request.method === 'HEAD' && manner.refusesBlobHead) return this.#refuse(asked, 401);
    if (repository.readers !== 'all' && !repository.readers.has(user)) {
      if (manner.strangers === 'hide') return this.#refuse(asked, 404);
      if (manner.strangers === 'login') return answer(307, ['Location', 'https://cdn.test/login']);
      return this.#refuse(asked, user === '' ? 401 : 403);
    }
    if (request.method === 'DELETE') return this.#remove(asked);
    const sloppy = manner.headsEverything && kind === 'blob' && request.method === 'HEAD';
    const held = content && (repository.held.has(content) || (sloppy && this.#stores(manner.host, content)));
    if (!content || !held || content.kind !== kind) return this.#refuse(asked, 404);
    if (manner.byPath && user !== 'ann' && content === POOL[1]) return this.#refuse(asked, 404);
    if (kind === 'blob' && request.method === 'GET' && manner.cdn) {
      this.#signed.push(asked);
      return answer(307, ['Location', `https://cdn.test/data?signed=${this.#signed.length - 1}`]);
    }
    return this.#give(asked, content);
  }

  #stores(host: string, content: Content): boolean {
    return REPOSITORIES.some((name) => this.repository(host, name).held.has(content));
  }

  #remove(asked: Asked): UpstreamResponse {
    const { repository, content, scope } = asked;
    if (!content || !repository.held.delete(content)) return this.#refuse(asked, 404);
    for (const [tag, tagged] of repository.tags) if (tagged === content) repository.tags.delete(tag);
    this.#oracle.removed(scope, content.digest);
    return answer(202, []);
  }

  #deliver(request: UpstreamRequest): UpstreamResponse {
    const asked = this.#signed[Number(/signed=(\d+)$/.exec(request.path)?.[1] ?? -1)];
    if (!asked?.content) return answer(200, ['Content-Type', 'text/html'], Buffer.from('<html>please log in</html>'));
    return this.#give({ ...asked, request }, asked.content);
  }

  /** The content itself, or its head, or a piece of it. */
  #give(asked: Asked, content: Content): UpstreamResponse {
    const { request, scope, credential, own, kind } = asked;
    const headers = ['Content-Type', content.mediaType, 'Docker-Content-Digest', content.digest];
    if (own) this.#oracle.shown(scope, content);
    else if (kind === 'manifest' || request.method === 'HEAD') this.#oracle.yes(scope, credential, content.digest);
    if (request.method === 'HEAD') return answer(200, [...headers, 'Content-Length', String(content.bytes.length)]);
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(headerValue(request.headers, 'range') ?? '') ?? [];
    if (start === undefined || kind === 'manifest') {
      this.#oracle.delivered(scope, credential, content);
      return answer(200, headers, content.bytes);
    }
    if (end === '0') this.#oracle.yes(scope, credential, content.digest);
    else this.#oracle.passed(scope, credential, content.digest);
    const range = `bytes ${start}-${end}/${content.bytes.length}`;
    return answer(206, [...headers, 'Content-Range', range], content.bytes.subarray(Number(start), Number(end) + 1));
  }

  #refuse(asked: Asked, status: number): UpstreamResponse {
    const { scope, credential, content, own, kind, request } = asked;
    if (own && content) this.#oracle.notShown(scope);
    const counts = kind === 'manifest' || request.method !== 'HEAD';
    const byDigest = content !== undefined && request.path.endsWith(content.digest);
    if (!own && request.method !== 'DELETE')
      this.#oracle.refused(scope, credential, byDigest ? content.digest : undefined, status, counts);
    const headers = status === 401 ? ['WWW-Authenticate', 'Basic realm="model"'] : [];
    return answer(status, headers, request.method === 'HEAD' ? undefined : Buffer.from('{"errors":[]}'));
  }

  #lied(asked: Asked): UpstreamResponse {
    const { request, content, kind } = asked;
    // Of a tag, the evil host says that it is somebody else's manifest.
    const victim = content ?? POOL[3];
    if (!victim) return this.#truth(asked);
    const headers = ['Content-Type', victim.mediaType, 'Docker-Content-Digest', victim.digest];
    const length = ['Content-Length', String(victim.bytes.length)];
    const isHead = request.method === 'HEAD';
    const yes = (): UpstreamResponse => {
      if (asked.own) this.#oracle.shown(asked.scope, victim);
      else this.#oracle.yes(asked.scope, asked.credential, victim.digest);
      return answer(200, [...headers, ...length]);
    };
    switch (this.lie) {
      case 'head-yes':
        return isHead ? yes() : this.#truth(asked);
      case 'wrong-bytes':
        return isHead ? yes() : answer(200, headers, Buffer.alloc(victim.bytes.length, 0x7f));
      case 'redirect':
        return answer(307, ['Location', 'https://cdn.test/login']);
      case 'first-byte-yes': {
        if (isHead) return answer(405, []);
        if (headerValue(request.headers, 'range') !== 'bytes=0-0') return this.#truth(asked);
        this.#oracle.yes(asked.scope, asked.credential, victim.digest);
        return answer(206, [...headers, 'Content-Range', `bytes 0-0/${victim.bytes.length}`], Buffer.alloc(1));
      }
      case 'tag-of-another':
        return isHead && kind === 'manifest' ? yes() : this.#truth(asked);
      case 'cut-off':
        return isHead ? yes() : answer(200, [...headers, ...length], Buffer.alloc(victim.bytes.length >> 1, 0x7f));
      case 'refuse':
        return this.#refuse(asked, 403);
      case 'page':
        return answer(200, ['Content-Type', 'text/html'], isHead ? undefined : Buffer.from('<html>hello</html>'));
      default:
        throw new ProxyError('upstream-connect', 'evil.test is not there');
    }
  }
}

/** Registry and repository in one word, as the rule has it. */
export function scopeOf(host: string, repository: string): string {
  return `${canonicalRegistry(host, 443, 'https')} ${repository}`;
}

/** All by which a registry could tell who is asking. */
export function credentialOf(headers: RawHeaders): string {
  return [headerValue(headers, 'authorization'), headerValue(headers, 'private-token')].filter(Boolean).join('\n');
}

function answer(status: number, headers: RawHeaders, body?: Buffer): UpstreamResponse {
  const length = body ? ['Content-Length', String(body.length)] : [];
  const announced = headers.some((name, i) => i % 2 === 0 && name === 'Content-Length') ? [] : length;
  const readable = Readable.from(body && body.length > 0 ? [body] : []);
  return { status, headers: [...headers, ...announced], body: readable, discard: () => readable.destroy() };
}
