import { createHmac, randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { headerValue } from '../../src/http/headers.js';
import { type Answer, bend, deliver, type Misbehaviour } from './registry-answer.js';
import { type AuthMode, error, json, RegistryAuth } from './registry-auth.js';
import { descriptorOf, RegistryContent } from './registry-content.js';
import { createHalting, type Halt } from './registry-halt.js';
import { classify, matches, type RecordedRequest, type RequestFilter, type ServerRole } from './registry-log.js';
import { RegistryUploads } from './registry-uploads.js';
import { createTestAuthority, type TestAuthority } from './test-certificates.js';

/** How the registry hands out a blob. */
export interface BlobDelivery {
  /** 0 for straight from the registry, or the status of a redirect. */
  readonly redirect: 0 | 301 | 302 | 303 | 307 | 308;
  /** Writes another Location than the signed address at the CDN; undefined leaves the header out. */
  readonly location?: (digest: string, signed: string) => string | undefined;
  /** Whether HEAD is redirected as well. */
  readonly redirectHead?: boolean;
  /** How long a signed address works. */
  readonly lifeMs?: number;
}

export interface RegistryOptions {
  readonly auth?: AuthMode;
  readonly users?: Readonly<Record<string, string>>;
  readonly delivery?: BlobDelivery;
  /** The loopback address to listen on. */
  readonly host?: string;
  /** The name by which it speaks of itself, in challenges and redirects; the address by default. */
  readonly name?: string;
  readonly authority?: TestAuthority;
}

/** A rule that makes some answers go wrong. */
export interface Rule {
  /** How many answers it has touched. */
  readonly uses: number;
  /** Resolves when so many answers have come to the point where the rule stalls them. */
  stalled(count?: number): Promise<void>;
  /** Lets what it stalls go on, now and from now on. */
  release(): void;
  remove(): void;
}

export interface FakeRegistry extends AsyncDisposable {
  /** The CA, as PEM, that signed every certificate here. */
  readonly ca: string;
  readonly host: string;
  readonly port: number;
  /** `host:port` of the servers. */
  readonly authority: string;
  readonly plainAuthority: string;
  readonly tokenAuthority: string;
  readonly cdnAuthority: string;
  readonly plainCdnAuthority: string;
  readonly content: RegistryContent;
  readonly auth: RegistryAuth;
  delivery: BlobDelivery;
  /** Everything that arrived, in order. */
  readonly requests: readonly RecordedRequest[];
  hits(filter?: RequestFilter): number;
  find(filter?: RequestFilter): RecordedRequest[];
  /** Resolves as soon as so many matching requests have arrived, those of the past included. */
  arrived(filter: RequestFilter, count?: number): Promise<RecordedRequest>;
  /** Forgets the requests so far. */
  forget(): void;
  /** Makes matching answers go wrong; `times` limits how many. The newest rule that matches counts. */
  misbehave(filter: RequestFilter, how: Misbehaviour, times?: number): Rule;
  /** Takes the registry, its token server or its CDN out of service; all three where none is named. */
  halt(how: Halt, ...roles: ServerRole[]): Promise<void>;
  /** Brings back what was taken out of service, on the same ports. */
  resume(): Promise<void>;
  /** Breaks all connections, as a crash would. */
  dropConnections(): void;
  close(): Promise<void>;
}

interface ActiveRule {
  readonly filter: RequestFilter;
  readonly how: Misbehaviour;
  readonly gate: Gate;
  times: number;
  uses: number;
  waiting: number;
}

interface Gate {
  opened(): Promise<void>;
  open(): void;
}

/**
 * A registry with its token server and CDN on loopback, in this process: it counts and keeps every request, and does
 * on demand whatever a registry has ever done wrong. Nothing waits for time: gates and `arrived` hold tests in step.
 */
export async function startFakeRegistry(options: RegistryOptions = {}): Promise<FakeRegistry> {
  const host = options.host ?? '127.0.0.1';
  const name = options.name ?? host;
  const authority = options.authority ?? createTestAuthority('fake registry CA');
  const { certificatePem, keyPem } = authority.issue([...new Set([name, host, '127.0.0.1', 'localhost'])]);
  const content = new RegistryContent();
  const uploads = new RegistryUploads(content);
  const auth = new RegistryAuth();
  auth.mode = options.auth ?? 'none';
  for (const [user, password] of Object.entries(options.users ?? { alice: 'secret', bob: 'hunter2' })) {
    auth.users.set(user, password);
  }
  const requests: RecordedRequest[] = [];
  const sockets = new Set<Socket>();
  const numbers = new WeakMap<Socket, number>();
  const gates = new Set<Gate>();
  const secret = randomBytes(16);
  const halting = createHalting(sockets);
  let rules: ActiveRule[] = [];
  let watchers: (() => boolean)[] = [];
  let connections = 0;
  let delivery: BlobDelivery = options.delivery ?? { redirect: 0 };

  function tell(): void {
    watchers = watchers.filter((watcher) => !watcher());
  }

  async function until<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      function watcher(): boolean {
        const found = look();
        if (found !== undefined) resolve(found);
        return found !== undefined;
      }
      if (!watcher()) watchers.push(watcher);
    });
  }

  function listen(role: ServerRole, scheme: 'http' | 'https'): Promise<http.Server> {
    function onRequest(request: http.IncomingMessage, response: http.ServerResponse): void {
      handle(role, scheme, request, response).catch((fault: unknown) => response.destroy(fault as Error));
    }
    const server =
      scheme === 'http'
        ? http.createServer(onRequest)
        : https.createServer({ cert: certificatePem, key: keyPem, ALPNProtocols: ['http/1.1'] }, onRequest);
    server.requestTimeout = 0;
    server.keepAliveTimeout = 0;
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', () => undefined);
    return new Promise((resolve) => server.listen(0, host, () => resolve(server)));
  }

  async function handle(
    role: ServerRole,
    scheme: 'http' | 'https',
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    if (!numbers.has(request.socket)) {
      connections += 1;
      numbers.set(request.socket, connections);
    }
    const record: RecordedRequest = {
      server: role,
      scheme,
      connection: numbers.get(request.socket) ?? 0,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.rawHeaders,
      ...classify(role, request.url ?? ''),
      body: Buffer.alloc(0),
      status: 0,
      sentBytes: 0,
      outcome: 'open',
      over: new Promise((resolve) => {
        response.on('close', () => {
          record.outcome = response.writableFinished ? 'complete' : 'aborted';
          resolve();
          tell();
        });
      }),
    };
    requests.push(record);
    response.sendDate = false;
    response.on('error', () => undefined);
    const rule = rules.find(({ filter, times }) => times > 0 && matches(filter, record));
    if (rule !== undefined) {
      rule.times -= 1;
      rule.uses += 1;
    }
    tell();
    const how = rule?.how ?? {};
    record.body = await readBody(request);
    const answer = bend(answerTo(record, how), how);
    await deliver(record, response, answer, how, async () => {
      if (rule === undefined) return;
      rule.waiting += 1;
      tell();
      await rule.gate.opened();
    });
  }

  function answerTo(record: RecordedRequest, how: Misbehaviour): Answer {
    const authorization = headerValue(record.headers, 'authorization');
    if (record.kind === 'data') return dataAnswer(record, how);
    if (record.kind === 'token') return auth.answerToken(record.method, record.path, authorization, record.body);
    if (record.server !== 'registry') return error(404, 'UNKNOWN', 'nothing here');
    const action = ['GET', 'HEAD'].includes(record.method) && record.kind !== 'upload' ? 'pull' : 'push';
    const answer = auth.refusal(authorization, record.repository, action) ?? registryAnswer(record, how);
    return { ...answer, headers: ['Docker-Distribution-Api-Version', 'registry/2.0', ...answer.headers] };
  }

  function registryAnswer(record: RecordedRequest, how: Misbehaviour): Answer {
    const repository = record.repository ?? '';
    switch (record.kind) {
      case 'ping':
        return json(200, {});
      case 'manifest':
        return manifestAnswer(record, repository, record.reference ?? '');
      case 'blob':
        return blobAnswer(record, repository, record.reference ?? '', how);
      case 'upload':
        return uploads.answer(record);
      case 'catalog':
        return json(200, { repositories: [...content.repositories.keys()].sort() });
      case 'tags':
        return tagsAnswer(record, repository);
      case 'referrers':
        return referrersAnswer(repository, record.reference ?? '');
      default:
        return error(404, 'UNSUPPORTED', `no such page: ${record.path}`);
    }
  }

  function manifestAnswer(record: RecordedRequest, repository: string, reference: string): Answer {
    if (record.method === 'PUT') {
      const mediaType = headerValue(record.headers, 'content-type') ?? '';
      const options = reference.includes(':') ? {} : { tag: reference };
      const { digest } = content.addManifest(repository, record.body, mediaType, options);
      const location = `/v2/${repository}/manifests/${digest}`;
      return { status: 201, headers: ['Location', location, 'Docker-Content-Digest', digest], body: Buffer.alloc(0) };
    }
    const manifest = content.findManifest(repository, reference);
    if (manifest === undefined) return error(404, 'MANIFEST_UNKNOWN', `manifest unknown: ${reference}`);
    if (record.method === 'DELETE') {
      const { manifests, tags } = content.repository(repository);
      if (reference.includes(':')) manifests.delete(reference);
      for (const [tag, digest] of tags) if (tag === reference || digest === reference) tags.delete(tag);
      return { status: 202, headers: [], body: Buffer.alloc(0) };
    }
    const headers = ['Content-Type', manifest.mediaType, 'Docker-Content-Digest', manifest.digest];
    return { status: 200, headers: [...headers, 'Etag', `"${manifest.digest}"`], body: manifest.bytes };
  }

  function blobAnswer(record: RecordedRequest, repository: string, digest: string, how: Misbehaviour): Answer {
    const bytes = content.findBlob(repository, digest);
    if (bytes === undefined) return error(404, 'BLOB_UNKNOWN', 'blob unknown to registry');
    if (record.method === 'DELETE') {
      content.repository(repository).blobs.delete(digest);
      return { status: 202, headers: [], body: Buffer.alloc(0) };
    }
    const redirects = record.method === 'GET' || delivery.redirectHead === true;
    if (delivery.redirect === 0 || !redirects) return bytesAnswer(record, digest, bytes, how);
    const signed = signedUrl(digest);
    const location = delivery.location === undefined ? signed : delivery.location(digest, signed);
    const headers = ['Content-Type', 'text/html', ...(location === undefined ? [] : ['Location', location])];
    return { status: delivery.redirect, headers, body: Buffer.from('<a href="elsewhere">Moved</a>.') };
  }

  function signedUrl(digest: string): string {
    const expires = Date.now() + (delivery.lifeMs ?? 60_000);
    return `https://${place(cdn)}/data/${digest}?expires=${expires}&signature=${signature(digest, expires)}`;
  }

  function signature(digest: string, expires: number): string {
    return createHmac('sha256', secret).update(`${digest} ${expires}`).digest('hex');
  }

  /** What the CDN does, or the registry where a redirect is relative. */
  function dataAnswer(record: RecordedRequest, how: Misbehaviour): Answer {
    const digest = record.reference ?? '';
    const url = new URL(record.path, 'https://cdn.test');
    const hop = /^\/hop\/(\d+)\//.exec(url.pathname)?.[1];
    if (hop !== undefined) {
      const next = Number(hop) > 1 ? `/hop/${Number(hop) - 1}/${digest}` : signedUrl(digest);
      return { status: 307, headers: ['Location', next], body: Buffer.alloc(0) };
    }
    if (url.pathname.startsWith('/loop/')) {
      return { status: 307, headers: ['Location', record.path], body: Buffer.alloc(0) };
    }
    const expires = Number(url.searchParams.get('expires'));
    if (url.searchParams.get('signature') !== signature(digest, expires) || expires < Date.now()) {
      return {
        status: 403,
        headers: ['Content-Type', 'application/xml'],
        body: Buffer.from('<Error>AccessDenied</Error>'),
      };
    }
    if (record.server === 'cdn' && headerValue(record.headers, 'authorization') !== undefined) {
      return {
        status: 400,
        headers: ['Content-Type', 'application/xml'],
        body: Buffer.from('<Error>TwoAuths</Error>'),
      };
    }
    const bytes = content.blobs.get(digest);
    return bytes === undefined ? error(404, 'UNKNOWN', 'no such key') : bytesAnswer(record, digest, bytes, how);
  }

  function tagsAnswer(record: RecordedRequest, repository: string): Answer {
    if (!content.repositories.has(repository)) return error(404, 'NAME_UNKNOWN', 'repository name not known');
    const query = new URL(record.path, 'https://registry.test').searchParams;
    const all = [...content.repository(repository).tags.keys()].sort().filter((tag) => tag > (query.get('last') ?? ''));
    const page = all.slice(0, Number(query.get('n') ?? all.length));
    const next = `</v2/${repository}/tags/list?last=${page.at(-1)}&n=${page.length}>; rel="next"`;
    return json(200, { name: repository, tags: page }, page.length < all.length ? ['Link', next] : []);
  }

  function referrersAnswer(repository: string, subject: string): Answer {
    const manifests = [...content.repository(repository).manifests.values()]
      .filter(({ bytes }) => bytes.includes('"subject"') && bytes.includes(subject))
      .map(descriptorOf);
    const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };
    const answer = json(200, index);
    return { ...answer, headers: ['Content-Type', index.mediaType] };
  }

  function place(server: http.Server): string {
    return `${name}:${(server.address() as AddressInfo).port}`;
  }

  function misbehave(filter: RequestFilter, how: Misbehaviour, times = Number.POSITIVE_INFINITY): Rule {
    const gate = createGate();
    gates.add(gate);
    const rule: ActiveRule = { filter, how, gate, times, uses: 0, waiting: 0 };
    rules.unshift(rule);
    return {
      get uses() {
        return rule.uses;
      },
      stalled: (count = 1) => until(() => (rule.waiting >= count ? true : undefined)).then(() => undefined),
      release: () => gate.open(),
      remove: () => {
        rules = rules.filter((other) => other !== rule);
        gate.open();
      },
    };
  }

  async function close(): Promise<void> {
    for (const gate of gates) gate.open();
    await halting.close();
    const closing = servers.map((server) => new Promise((resolve) => server.close(resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closing);
  }

  const servers = await Promise.all([
    listen('registry', 'https'),
    listen('registry', 'http'),
    listen('token', 'https'),
    listen('cdn', 'https'),
    listen('cdn', 'http'),
  ]);
  const [registry, plain, token, cdn, plainCdn] = servers;
  const roles: Readonly<Record<ServerRole, readonly http.Server[]>> = {
    registry: [registry, plain],
    token: [token],
    cdn: [cdn, plainCdn],
  };
  auth.realm = `https://${place(token)}/token`;

  return {
    ca: authority.certificatePem,
    host: name,
    port: (registry.address() as AddressInfo).port,
    authority: place(registry),
    plainAuthority: place(plain),
    tokenAuthority: place(token),
    cdnAuthority: place(cdn),
    plainCdnAuthority: place(plainCdn),
    content,
    auth,
    get delivery() {
      return delivery;
    },
    set delivery(value) {
      delivery = value;
    },
    requests,
    hits: (filter = {}) => requests.filter((request) => matches(filter, request)).length,
    find: (filter = {}) => requests.filter((request) => matches(filter, request)),
    arrived: (filter, count = 1) => until(() => requests.filter((request) => matches(filter, request))[count - 1]),
    forget: () => void requests.splice(0),
    misbehave,
    halt: (how, ...named) => {
      const gone = named.length === 0 ? (['registry', 'token', 'cdn'] as const) : named;
      return halting.halt(
        gone.flatMap((role) => roles[role]),
        how,
      );
    },
    resume: () => halting.resume(),
    dropConnections: () => {
      for (const socket of sockets) socket.destroy();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function bytesAnswer(record: RecordedRequest, digest: string, bytes: Buffer, how: Misbehaviour): Answer {
  const common = ['Content-Type', 'application/octet-stream', 'Docker-Content-Digest', digest];
  const headers = [...common, 'Accept-Ranges', 'bytes', 'Etag', `"${digest}"`];
  const asked = /^bytes=(\d*)-(\d*)$/.exec(headerValue(record.headers, 'range') ?? '');
  if (asked === null || how.ignoreRange === true || record.method === 'HEAD')
    return { status: 200, headers, body: bytes };
  const [, first = '', last = ''] = asked;
  const start = first === '' ? Math.max(0, bytes.length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1);
  if (start > end) {
    return { ...error(416, 'RANGE_INVALID', 'no such range'), headers: ['Content-Range', `bytes */${bytes.length}`] };
  }
  const range = `bytes ${start}-${end}/${bytes.length}`;
  return { status: 206, headers: [...headers, 'Content-Range', range], body: bytes.subarray(start, end + 1) };
}

async function readBody(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    // The client went away in the middle of its body; what came is kept.
  }
  return Buffer.concat(chunks);
}

function createGate(): Gate {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  return {
    opened: () => new Promise((resolve) => (isOpen ? resolve() : waiting.push(resolve))),
    open: () => {
      isOpen = true;
      for (const go of waiting.splice(0)) go();
    },
  };
}
