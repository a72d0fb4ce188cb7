import type { FakeRegistry } from '../support/fake-registry.js';
import { proxyGet, proxyOpen, type Way } from '../support/pull.js';
import { CLIENT_STYLES, pullImage } from '../support/pull-image.js';
import { seededBytes } from '../support/registry-content.js';

const REPOSITORIES = ['a', 'b'] as const;
const CLIENTS = 6;

/** What clients got from one proxy until it was killed. */
export interface LoadReport {
  whole: number;
  broken: number;
  /** Answers that came to a clean end with bytes that are not the registry's. */
  readonly wrong: string[];
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

function pick<T>(from: readonly T[]): T {
  const back = Math.floor(Math.random() ** 3 * from.length);
  return from[from.length - 1 - back] as T;
}

/** Lets clients loose on a proxy and counts what they get into `report`. They stop when `isOver` says so. */
export async function runLoad(
  content: Content,
  registry: FakeRegistry,
  way: Way,
  report: LoadReport,
  isOver: () => boolean,
): Promise<void> {
  async function client(): Promise<void> {
    while (!isOver()) {
      try {
        await pick([pull, get, getRange, hangUp])();
        report.whole += 1;
      } catch {
        report.broken += 1;
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async function pull(): Promise<void> {
    const { repository, tag } = content.image();
    const style = pick(CLIENT_STYLES);
    await pullImage({ ...way, authority: registry.authority, repository, reference: tag, style }).catch(
      (error: Error) => {
        if (/is not sha256/.test(error.message)) report.wrong.push(error.message);
        throw error;
      },
    );
  }

  async function get(): Promise<void> {
    const { repository, digest, bytes } = content.blob();
    judge(`${repository} ${digest}`, await send(repository, digest, []), bytes, 200);
  }

  async function getRange(): Promise<void> {
    const { repository, digest, bytes } = content.blob();
    const start = Math.floor(Math.random() * bytes.length);
    const end = Math.min(bytes.length, start + 400_000);
    const answer = await send(repository, digest, ['Range', `bytes=${start}-${end - 1}`]);
    judge(`${repository} ${digest} ${start}-${end}`, answer, bytes.subarray(start, end), 206);
  }

  /** Leaves in the middle; the download goes on without it. */
  async function hangUp(): Promise<void> {
    const { repository, digest } = content.blob();
    const path = `/v2/${repository}/blobs/${digest}`;
    const answer = await proxyOpen({ ...way, authority: registry.authority, path });
    await answer.read(10_000);
    answer.hangUp();
  }

  function send(repository: string, digest: string, headers: readonly string[]) {
    return proxyGet({ ...way, authority: registry.authority, path: `/v2/${repository}/blobs/${digest}`, headers });
  }

  function judge(what: string, answer: Awaited<ReturnType<typeof proxyGet>>, right: Buffer, status: number): void {
    if (!answer.complete || answer.status !== status) throw new Error(`${answer.status}`);
    if (!answer.body.equals(right)) report.wrong.push(what);
  }

  await Promise.all(Array.from({ length: CLIENTS }, client));
}
