import type { RawHeaders } from '../../src/http/exchange.js';
import { headerValue } from '../../src/http/headers.js';

export type ServerRole = 'registry' | 'token' | 'cdn';

export type RequestKind =
  | 'ping'
  | 'manifest'
  | 'blob'
  | 'upload'
  | 'tags'
  | 'referrers'
  | 'catalog'
  | 'token'
  | 'data'
  | 'other';

/** One request as it reached the fake registry, its token server or its CDN. */
export interface RecordedRequest {
  readonly server: ServerRole;
  readonly scheme: 'http' | 'https';
  /** Counts connections; two requests of one number came over one connection. */
  readonly connection: number;
  readonly method: string;
  readonly path: string;
  readonly headers: RawHeaders;
  readonly kind: RequestKind;
  readonly repository: string | undefined;
  /** Tag, digest or upload id. */
  readonly reference: string | undefined;
  /** The request's body, once it has been read. */
  body: Buffer;
  /** 0 until the head of the answer is sent. */
  status: number;
  /** Body bytes of the answer that were written. */
  sentBytes: number;
  /** `aborted` where the connection closed before the answer was whole. */
  outcome: 'open' | 'complete' | 'aborted';
  /** Resolves when the outcome is known. */
  readonly over: Promise<void>;
}

export interface RequestFilter {
  readonly server?: ServerRole;
  readonly scheme?: 'http' | 'https';
  readonly method?: string;
  readonly kind?: RequestKind;
  readonly repository?: string;
  /** Tag or digest; for a CDN, the digest it delivers. */
  readonly reference?: string;
  readonly path?: RegExp;
  readonly status?: number;
  /** Matches what has, or has not, an Authorization header. */
  readonly authorized?: boolean;
  /** Matches what the proxy asks in its own name, or what it sends for clients. */
  readonly own?: boolean;
}

export function matches(filter: RequestFilter, request: RecordedRequest): boolean {
  const { path, authorized, own, ...fields } = filter;
  for (const [field, wanted] of Object.entries(fields)) {
    if (wanted !== undefined && request[field as keyof RecordedRequest] !== wanted) return false;
  }
  if (authorized !== undefined && authorized !== (headerValue(request.headers, 'authorization') !== undefined))
    return false;
  if (own !== undefined && own !== (headerValue(request.headers, 'user-agent') === 'entrepot')) return false;
  return path === undefined || path.test(request.path);
}

/** `METHOD kind reference-or-path`, the form in which tests compare what went upstream. */
export function summary(request: RecordedRequest): string {
  const what = request.kind === 'other' || request.kind === 'upload' ? request.path : (request.reference ?? '');
  return `${request.method} ${request.kind} ${what}`.trim();
}

export function classify(server: ServerRole, path: string): Pick<RecordedRequest, 'kind' | 'repository' | 'reference'> {
  const bare = path.split('?', 1)[0] ?? '';
  const data = /^\/(?:data|hop\/\d+|loop)\/(sha(?:256|512):[0-9a-f]+)$/.exec(bare);
  if (data !== null) return { kind: 'data', repository: undefined, reference: data[1] };
  if (server === 'token' && bare === '/token') return { kind: 'token', repository: undefined, reference: undefined };
  if (bare === '/v2/') return { kind: 'ping', repository: undefined, reference: undefined };
  if (bare === '/v2/_catalog') return { kind: 'catalog', repository: undefined, reference: undefined };
  const tags = /^\/v2\/(.+)\/tags\/list$/.exec(bare);
  if (tags !== null) return { kind: 'tags', repository: tags[1], reference: undefined };
  const content = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/.exec(bare);
  if (content !== null && content[3] !== 'uploads') {
    const kinds: Record<string, RequestKind> = { manifests: 'manifest', blobs: 'blob', referrers: 'referrers' };
    return { kind: kinds[content[2] ?? ''] ?? 'other', repository: content[1], reference: content[3] };
  }
  const upload = /^\/v2\/(.+)\/blobs\/uploads\/?([^/]*)$/.exec(bare);
  if (upload !== null) return { kind: 'upload', repository: upload[1], reference: upload[2] };
  return { kind: 'other', repository: undefined, reference: undefined };
}
