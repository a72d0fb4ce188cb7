import type { Readable } from 'node:stream';
import { parseChallenges } from '../http/challenge.js';
import type { Target } from '../http/exchange.js';
import { contentLength, headersFrom, headerValue, headerValues } from '../http/headers.js';
import { putNewest } from '../net/put-newest.js';
import type { Digest } from '../oci/digest.js';
import { ACCEPT_ALL_MANIFESTS } from '../oci/media-types.js';
import type { UpstreamClient, UpstreamResponse } from './contract.js';
import { realmAddress } from './token-realm.js';

/** `public`: the registry gives this manifest to anybody. `private`: it says no. `unknown`: it gave no answer to go by. */
export type PublicAnswer = 'public' | 'private' | 'unknown';

/** A token response larger than this is not one. */
const MAX_TOKEN_BYTES = 64 * 1024;
/** For one question, token and all. */
const ANSWER_MS = 10_000;
const DEFAULT_TOKEN_LIFE_S = 60;
const MAX_TOKENS = 1000;

/** What a registry said to a stranger. */
export type StrangersAnswer = Pick<UpstreamResponse, 'status' | 'headers'>;

interface Token {
  readonly value: string;
  readonly until: number;
}

async function readJson(body: Readable, limitBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limitBytes) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * Asks registries what they give to a stranger: the proxy's own requests, without anybody's credentials. Tokens that
 * token servers hand to anybody are kept for their life.
 */
export class AnonymousAsker {
  readonly #client: UpstreamClient;
  readonly #via: string;
  readonly #answerMs: number;
  readonly #tokens = new Map<string, Token>();
  readonly #fetching = new Map<string, Promise<string | undefined>>();

  constructor(client: UpstreamClient, via: string, answerMs: number = ANSWER_MS) {
    this.#client = client;
    this.#via = via;
    this.#answerMs = answerMs;
  }

  /** Whether the registry shows this manifest to anybody: a HEAD by digest, with a stranger's token where it asks for one. */
  async isPublic(
    target: Target,
    repository: string,
    digest: Digest,
    sizeBytes: number,
    stopped?: AbortSignal,
  ): Promise<PublicAnswer> {
    // For all of it: a registry that drips its answers must not keep the proofs of others waiting.
    const late = AbortSignal.timeout(this.#answerMs);
    const signal = stopped ? AbortSignal.any([stopped, late]) : late;
    try {
      const path = `/v2/${repository}/manifests/${digest}`;
      const response = await this.#ask(target, repository, path, ACCEPT_ALL_MANIFESTS, signal);
      return response ? verdict(response, digest, sizeBytes) : 'private';
    } catch {
      return 'unknown';
    }
  }

  /**
   * A stranger's HEAD for content of a repository, with a stranger's token where the registry asks for one. Gives its
   * last answer: a refusal where strangers get no token. Rejects as the client does.
   */
  async head(target: Target, repository: string, path: string, accept: string): Promise<StrangersAnswer> {
    const signal = AbortSignal.timeout(this.#answerMs);
    const response = await this.#ask(target, repository, path, accept, signal);
    return response ?? { status: 401, headers: [] };
  }

  /** Undefined where the registry asks for a token that strangers do not get. */
  async #ask(
    target: Target,
    repository: string,
    path: string,
    accept: string,
    signal: AbortSignal,
  ): Promise<UpstreamResponse | undefined> {
    const response = await this.#head(target, path, accept, this.#knownToken(target, repository), signal);
    if (response.status !== 401) return response;
    const token = await this.#tokenFor(response, target, repository, signal);
    return token === undefined ? undefined : this.#head(target, path, accept, token, signal);
  }

  /** Equal questions for tokens at the same time are one. */
  #tokenFor(
    refused: UpstreamResponse,
    target: Target,
    repository: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const key = tokenKey(target, repository);
    const running = this.#fetching.get(key) ?? this.#fetchToken(refused, target, repository, signal);
    this.#fetching.set(key, running);
    return running.finally(() => this.#fetching.delete(key));
  }

  async #head(
    target: Target,
    path: string,
    accept: string,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<UpstreamResponse> {
    const headers = headersFrom({
      Accept: accept,
      ...this.#ownHeaders(),
      ...(token && { Authorization: `Bearer ${token}` }),
    });
    const response = await this.#client.send({ target, method: 'HEAD', path, headers, signal });
    response.discard();
    return response;
  }

  #ownHeaders() {
    return { 'Accept-Encoding': 'identity', 'User-Agent': 'entrepot', Via: this.#via };
  }

  #knownToken(target: Target, repository: string): string | undefined {
    const known = this.#tokens.get(tokenKey(target, repository));
    return known && known.until > Date.now() ? known.value : undefined;
  }

  async #fetchToken(
    refused: UpstreamResponse,
    target: Target,
    repository: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const challenges = parseChallenges(headerValues(refused.headers, 'www-authenticate'));
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer');
    const realm = bearer?.params.get('realm');
    const scope = bearer?.params.get('scope') ?? `repository:${repository}:pull`;
    const address = realm && realmAddress(realm, bearer?.params.get('service'), target.scheme, scope);
    if (!address) return undefined;
    const response = await this.#client.send({
      ...address,
      onBehalfOf: target,
      signal,
      method: 'GET',
      headers: [
        'Accept',
        'application/json',
        'Accept-Encoding',
        'identity',
        'User-Agent',
        'entrepot',
        'Via',
        this.#via,
      ],
    });
    if (response.status !== 200) {
      response.discard();
      if (response.status >= 500 || response.status === 429) throw new Error('the token server has no answer now');
      return undefined;
    }
    const answer = (await readJson(response.body, MAX_TOKEN_BYTES)) as Record<string, unknown> | undefined;
    const value = answer?.token ?? answer?.access_token;
    if (typeof value !== 'string') return undefined;
    const lifeS = typeof answer?.expires_in === 'number' ? answer.expires_in : DEFAULT_TOKEN_LIFE_S;
    this.#remember(tokenKey(target, repository), { value, until: Date.now() + lifeS * 900 });
    return value;
  }

  #remember(key: string, token: Token): void {
    putNewest(this.#tokens, key, token, MAX_TOKENS);
  }
}

function tokenKey(target: Target, repository: string): string {
  return `${target.scheme}://${target.host}:${target.port}/${repository}`;
}

function verdict(response: UpstreamResponse, digest: Digest, sizeBytes: number): PublicAnswer {
  if (response.status === 200) {
    const claimed = headerValue(response.headers, 'docker-content-digest');
    const length = contentLength(response.headers);
    // Login pages say 200 to everything: the length decides, and only a registry that gives none is taken at its word.
    if (length === undefined) return claimed === digest ? 'public' : 'unknown';
    return length === sizeBytes && (claimed === undefined || claimed === digest) ? 'public' : 'unknown';
  }
  return response.status === 401 || response.status === 403 || response.status === 404 ? 'private' : 'unknown';
}
