import type { FakeRegistry } from '../support/fake-registry.js';
import {
  type Credential,
  fetchToken,
  type OpenAnswer,
  type ProxyRequest,
  proxyOpen,
  type Way,
} from '../support/pull.js';
import { CLIENT_STYLES, pullImage } from '../support/pull-image.js';
import { seededBytes } from '../support/registry-content.js';

const REPOSITORIES = ['a', 'b'] as const;
const CLIENTS = 6;
const MOST_FAULTS = 20;

/** What clients got from one proxy until the end. */
export interface LoadReport {
  whole: number;
  broken: number;
  /** The first of what broke, in words. */
  readonly faults: string[];
  /** Answers that came to a clean end with bytes that are not the registry's. */
  readonly wrong: string[];
}

export interface Load {
  readonly content: Content;
  readonly registry: FakeRegistry;
  readonly way: Way;
  /** Where it is counted. */
  readonly report: LoadReport;
  /** Clients stop when it says so. */
  readonly isOver: () => boolean;
  readonly clients?: number;
  /** For a registry that lets nobody in without. */
  readonly credential?: Credential;
  /** What clients do besides. Rejects where they did not get what they should. */
  readonly also?: readonly (() => Promise<void>)[];
}

/** A fresh load report. */
export function emptyReport(): LoadReport {
  return { whole: 0, broken: 0, faults: [], wrong: [] };
}

/** Content that grows with every round, so that there is always something to fetch. */
export class Content {
  readonly #registry: FakeRegistry;
  readonly #blobs: { readonly repository: string; readonly digest: string; readonly bytes: Buffer }[] = [];
  readonly #images: { readonly repository: string; readonly tag: string; readonly digest: string }[] = [];
  #rounds = 0;

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  grow(): void {
    this.#rounds += 1;
    for (const repository of REPOSITORIES) {
      const tag = `v${this.#rounds}`;
      const { digest: image } = this.#registry.content.addImage(repository, tag, { label: `${repository} ${tag}` });
      this.#images.push({ repository, tag, digest: image });
      for (const sizeBytes of [50_000, 3_000_000]) {
        const bytes = seededBytes(sizeBytes, `${repository} ${this.#rounds} ${sizeBytes}`);
        const { digest } = this.#registry.content.addBlob(repository, bytes);
        this.#blobs.push({ repository, digest, bytes });
      }
    }
  }

  /** The tag of an image's manifest; undefined for any other digest. */
  tagOf(repository: string, digest: string): string | undefined {
    return this.#images.find((image) => image.repository === repository && image.digest === digest)?.tag;
  }

  /** One of the newer ones, as a rule. */
  blob() {
    return pick(this.#blobs);
  }

  image() {
    return pick(this.#images);
  }
}

export function pick<T>(from: readonly T[]): T {
  const back = Math.floor(Math.random() ** 3 * from.length);
  return from[from.length - 1 - back] as T;
}

/** Lets clients loose on a proxy, and counts what they get. */
export async function runLoad(load: Load): Promise<void> {
  const { content, registry, way, report, isOver, credential, also = [] } = load;
  const actions = [pull, get, getRange, hangUp, ...also];

  async function client(): Promise<void> {
    while (!isOver()) {
      try {
        await (actions[Math.floor(Math.random() * actions.length)] ?? pull)();
        report.whole += 1;
      } catch (error) {
        report.broken += 1;
        if (report.faults.length < MOST_FAULTS) report.faults.push(String(error));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async function pull(): Promise<void> {
    const { repository, tag } = content.image();
    const style = pick(CLIENT_STYLES);
    const whose = credential === undefined ? {} : { credential };
    const request = { ...way, authority: registry.authority, repository, reference: tag, style, ...whose };
    await pullImage(request).catch((error: Error) => {
      if (/is not sha256/.test(error.message)) report.wrong.push(error.message);
      throw error;
    });
  }

  async function get(): Promise<void> {
    const { repository, digest, bytes } = content.blob();
    await judge(`${repository} ${digest}`, await open(repository, digest, []), bytes, 200);
  }

  async function getRange(): Promise<void> {
    const { repository, digest, bytes } = content.blob();
    const start = Math.floor(Math.random() * bytes.length);
    const end = Math.min(bytes.length, start + 400_000);
    const answer = await open(repository, digest, ['Range', `bytes=${start}-${end - 1}`]);
    await judge(`${repository} ${digest} ${start}-${end}`, answer, bytes.subarray(start, end), 206);
  }

  /** Leaves in the middle; the download goes on without it. */
  async function hangUp(): Promise<void> {
    const { repository, digest } = content.blob();
    const answer = await open(repository, digest, []);
    await answer.read(10_000);
    answer.hangUp();
  }

  function open(repository: string, digest: string, headers: readonly string[]): Promise<OpenAnswer> {
    return openAs({ ...way, authority: registry.authority, path: `/v2/${repository}/blobs/${digest}`, headers }, load);
  }

  async function judge(what: string, answer: OpenAnswer, right: Buffer, status: number): Promise<void> {
    const { complete, body } = await answer.rest();
    if (!complete || answer.status !== status) throw new Error(`${what}: ${answer.status}, ${complete}`);
    if (!body.equals(right)) report.wrong.push(what);
  }

  await Promise.all(Array.from({ length: load.clients ?? CLIENTS }, client));
}

/** Asks as clients do: without a credential, and once more with what the challenge leads to. */
export async function openAs(request: ProxyRequest, { way, credential }: Pick<Load, 'way' | 'credential'>) {
  const answer = await proxyOpen(request);
  const challenge = answer.header('www-authenticate');
  if (answer.status !== 401 || challenge === undefined || credential === undefined) return answer;
  await answer.rest();
  const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(request.path)?.[1] ?? '';
  const token = await fetchToken(way, challenge, `repository:${repository}:pull`, credential);
  return proxyOpen({ ...request, headers: [...(request.headers ?? []), 'Authorization', token] });
}
