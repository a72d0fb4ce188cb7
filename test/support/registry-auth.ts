import { randomBytes } from 'node:crypto';
import type { Answer } from './registry-answer.js';

export type AuthMode = 'none' | 'basic' | 'token';

interface Token {
  readonly user: string | undefined;
  readonly scopes: ReadonlyMap<string, ReadonlySet<string>>;
}

type Action = 'pull' | 'push';

/** Who may do what at the fake registry. Access lists are read at each request, so that a change counts at once. */
export class RegistryAuth {
  mode: AuthMode = 'none';
  /** The address of the token server, as challenges name it. */
  realm = '';
  readonly service = 'registry.test';
  readonly users = new Map<string, string>();
  readonly #access = new Map<string, ReadonlySet<string>>();
  readonly #tokens = new Map<string, Token>();

  /** Makes a repository private to these users, or public again. */
  setAccess(repository: string, users: 'public' | readonly string[]): void {
    if (users === 'public') this.#access.delete(repository);
    else this.#access.set(repository, new Set(users));
  }

  /** Every token given out so far stops working. */
  revokeTokens(): void {
    this.#tokens.clear();
  }

  /** Gives undefined where the request may pass, and the refusal otherwise. */
  refusal(authorization: string | undefined, repository: string | undefined, action: Action): Answer | undefined {
    if (this.mode === 'none') {
      return repository === undefined || this.#allows(undefined, repository, action) ? undefined : denied();
    }
    return this.mode === 'basic'
      ? this.#refuseBasic(authorization, repository, action)
      : this.#refuseToken(authorization, repository, action);
  }

  /** The token server. */
  answerToken(method: string, path: string, authorization: string | undefined, body: Buffer): Answer {
    const query = new URL(path, 'https://token.test').searchParams;
    const form = method === 'POST' ? new URLSearchParams(body.toString()) : undefined;
    const basic = basicOf(authorization);
    const name = form?.get('username') ?? basic?.name;
    const password = form?.get('password') ?? basic?.password;
    if (name !== undefined && this.users.get(name) !== password) return error(401, 'UNAUTHORIZED', 'wrong password');
    const scopes = new Map<string, ReadonlySet<string>>();
    for (const scope of (form ?? query).getAll('scope').flatMap((text) => text.split(' '))) {
      const [, repository, actions] = /^repository:([^:]+):(.+)$/.exec(scope) ?? [];
      if (repository === undefined || actions === undefined) continue;
      const granted = actions.split(',').filter((action) => this.#allows(name, repository, action as Action));
      scopes.set(repository, new Set(granted));
    }
    const token = randomBytes(24).toString('base64url');
    this.#tokens.set(token, { user: name, scopes });
    return json(200, { token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() });
  }

  #allows(user: string | undefined, repository: string, action: Action): boolean {
    const list = this.#access.get(repository);
    if (list !== undefined) return user !== undefined && list.has(user);
    return action === 'pull' || this.mode === 'none' || user !== undefined;
  }

  #refuseBasic(authorization: string | undefined, repository: string | undefined, action: Action): Answer | undefined {
    const basic = basicOf(authorization);
    if (basic === undefined || this.users.get(basic.name) !== basic.password) {
      const answer = error(401, 'UNAUTHORIZED', 'authentication required');
      return { ...answer, headers: [...answer.headers, 'WWW-Authenticate', 'Basic realm="registry.test"'] };
    }
    return repository === undefined || this.#allows(basic.name, repository, action) ? undefined : denied();
  }

  #refuseToken(authorization: string | undefined, repository: string | undefined, action: Action): Answer | undefined {
    const token = this.#tokens.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? '');
    if (token !== undefined) {
      if (repository === undefined) return undefined;
      const granted = token.scopes.get(repository)?.has(action) === true;
      if (granted && this.#allows(token.user, repository, action)) return undefined;
    }
    const scope =
      repository === undefined ? '' : `,scope="repository:${repository}:${action === 'push' ? 'pull,push' : 'pull'}"`;
    const why = token === undefined ? '' : ',error="insufficient_scope"';
    const answer = error(401, 'UNAUTHORIZED', 'authentication required');
    const challenge = `Bearer realm="${this.realm}",service="${this.service}"${scope}${why}`;
    return { ...answer, headers: [...answer.headers, 'WWW-Authenticate', challenge] };
  }
}

export function json(status: number, value: unknown, headers: readonly string[] = []): Answer {
  return {
    status,
    headers: ['Content-Type', 'application/json', ...headers],
    body: Buffer.from(JSON.stringify(value)),
  };
}

export function error(status: number, code: string, message: string): Answer {
  return json(status, { errors: [{ code, message, detail: null }] });
}

function denied(): Answer {
  return error(403, 'DENIED', 'requested access to the resource is denied');
}

function basicOf(authorization: string | undefined): { name: string; password: string } | undefined {
  const encoded = /^Basic (.+)$/.exec(authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
