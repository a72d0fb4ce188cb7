import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type { Pin } from '../cache/contract.js';
import { ConfigError } from '../errors.js';
import type {
  Blob,
  BlobPage,
  Image,
  ImagePage,
  InventoryOperations,
  PinPage,
  RemovalReport,
  StoreStats,
  VerifyReport,
  Work,
  WorkProgress,
} from '../inventory/contract.js';
import type { Digest } from '../oci/digest.js';

/** The admin API of a running proxy, and what opens it. */
export interface AdminPlace {
  readonly url: URL;
  readonly token: string;
}

/** The API could not be reached at all. */
export class UnreachableError extends Error {}

type Query = Readonly<Record<string, string | number | undefined>>;

/** A line of the answer to long work. */
interface WorkLine<Report> {
  readonly progress?: WorkProgress;
  readonly report?: Report;
  readonly error?: string;
}

/** What the admin API says of the store and does to it. Methods reject with UnreachableError where it does not answer. */
export function createRemoteInventory(place: AdminPlace): InventoryOperations {
  const get = <T>(path: string, query: Query = {}): Promise<T | undefined> => ask<T>(place, 'GET', path, query);
  return {
    stats: async () => (await must(get<{ store: StoreStats }>('stats'))).store,
    blobs: ({ sort, cursor, limit }) => must(get<BlobPage>('blobs', { sort, cursor, limit })),
    blob: (digest) => get<Blob>(`blobs/${digest}`),
    images: (query) => must(get<ImagePage>('images', { ...query })),
    image: (name) => get<Image>('image', { name }),
    remove: (selection, dryRun, work) => askWork<RemovalReport>(place, 'prune', { ...selection, dryRun }, work),
    verify: (selection, work) => askWork<VerifyReport>(place, 'verify', selection, work),
    pins: ({ cursor, limit }) => must(get<PinPage>('pins', { cursor, limit })),
    pin: ({ digest, image }) => ask<Pin>(place, 'PUT', pinPath(digest), { image }),
    unpin: ({ digest, image }) => ask<{ digest: Digest }>(place, 'DELETE', pinPath(digest), { image }),
  };
}

function pinPath(digest: Digest | undefined): string {
  return digest === undefined ? 'pins' : `pins/${digest}`;
}

async function must<T>(answer: Promise<T | undefined>): Promise<T> {
  const value = await answer;
  if (value === undefined) throw new Error('The admin API does not know this request; is the proxy of this version?');
  return value;
}

/** Undefined for 404. */
async function ask<T>(place: AdminPlace, method: string, path: string, query: Query): Promise<T | undefined> {
  const url = urlOf(place, path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  const answer = await send(place, url, { method });
  if (answer.status === 204) return undefined;
  return answer.status === 404 ? undefined : ((await jsonOf(place, answer)) as T);
}

/** Reads lines of progress until the report comes. */
async function askWork<Report>(
  place: AdminPlace,
  path: string,
  body: object,
  { onProgress = () => {}, signal }: Work = {},
): Promise<Report | undefined> {
  const answer = await send(place, urlOf(place, path), {
    method: 'POST',
    headers: { accept: 'application/x-ndjson', 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  if (answer.status === 404 || answer.body === null) return undefined;
  const lines = createInterface({ input: Readable.fromWeb(answer.body as ReadableStream<Uint8Array>) });
  for await (const text of lines) {
    const line = parseObject(text) as WorkLine<Report> | undefined;
    if (line === undefined) throw noApi(place);
    if (line.error !== undefined) throw new Error(line.error);
    if (line.report !== undefined) return line.report;
    if (line.progress !== undefined) onProgress(line.progress);
  }
  throw new Error('The connection to the admin API ended before the work did.');
}

function urlOf({ url }: AdminPlace, path: string): URL {
  return new URL(`api/v1/${path}`, url.href.endsWith('/') ? url : `${url.href}/`);
}

async function send(place: AdminPlace, url: URL, init: RequestInit): Promise<Response> {
  const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${place.token}` };
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, headers, redirect: 'error' });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new UnreachableError(`the admin API at ${place.url.origin} cannot be reached (${causeOf(error)})`);
  }
  if (answer.ok || answer.status === 404) return answer;
  const said = await errorOf(answer);
  if (answer.status === 400) throw said === undefined ? noApi(place) : new ConfigError([said]);
  if (answer.status === 401) {
    throw new Error(
      `The admin API at ${place.url.origin} does not take the token; give the proxy’s own --data-dir, or set ENTREPOT_ADMIN_TOKEN.`,
    );
  }
  throw new Error(`The admin API at ${place.url.origin} answered ${answer.status}: ${said ?? answer.statusText}`);
}

/** What an error of the API says; undefined where it is none of this API's. */
async function errorOf(answer: Response): Promise<string | undefined> {
  const said = parseObject(await answer.text())?.['error'];
  return typeof said === 'string' ? said : undefined;
}

async function jsonOf(place: AdminPlace, answer: Response): Promise<object> {
  const value = parseObject(await answer.text());
  if (value === undefined) throw noApi(place);
  return value;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function noApi({ url }: AdminPlace): Error {
  return new Error(
    `${url.origin} is no admin API of this program; the port of the API is that of --admin-listen, not of the proxy.`,
  );
}

function causeOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message: string };
  return cause?.code ?? cause?.message ?? message;
}
