import type tls from 'node:tls';
import { headerValue } from '../../src/http/headers.js';
import { type Credential, fetchToken, hasDigest, type ProxyAnswer, PullError, proxyGet, type Way } from './pull.js';
import { openTlsTunnel } from './raw-client.js';

/** Whose habits a pull follows; each is taken from recordings of that client. */
export type ClientStyle = 'docker' | 'containerd' | 'podman' | 'crane' | 'oras';

export const CLIENT_STYLES: readonly ClientStyle[] = ['docker', 'containerd', 'podman', 'crane', 'oras'];

export interface PullRequest extends Way {
  readonly authority: string;
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
  readonly style: ClientStyle;
  readonly credential?: Credential;
  /** Digests of blobs that the client holds already and won't ask for. */
  readonly held?: ReadonlySet<string>;
}

export interface PulledContent {
  readonly digest: string;
  readonly bytes: Buffer;
  /** What the answer said in Cache-Status. */
  readonly cacheStatus: string | undefined;
}

export interface PulledImage {
  /** The digest that the reference stands for. */
  readonly digest: string;
  readonly manifests: readonly PulledContent[];
  readonly blobs: readonly PulledContent[];
  /** `METHOD path -> status`, in order, token requests excluded. */
  readonly requests: readonly string[];
}

interface Descriptor {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
}

interface Document {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

const OCI = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.oci.image.index.v1+json'];
const DOCKER = [
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
];
const SIGNED = 'application/vnd.docker.distribution.manifest.v1+prettyjws';
const SCHEMA1 = 'application/vnd.docker.distribution.manifest.v1+json';

/** The types that each client accepts; no two sets are the same. */
const ACCEPTED: Record<ClientStyle, readonly string[]> = {
  docker: [...OCI, ...DOCKER, SIGNED, 'application/json'],
  containerd: [...DOCKER, ...OCI, '*/*'],
  podman: [...OCI, ...DOCKER, SIGNED, SCHEMA1],
  crane: [SCHEMA1, SIGNED, ...DOCKER, ...OCI],
  oras: [...DOCKER, ...OCI, 'application/vnd.oci.artifact.manifest.v1+json'],
};

const USER_AGENTS: Record<ClientStyle, string> = {
  docker: 'docker/20.10.24 go/go1.19.8 kernel/6 os/linux arch/amd64',
  containerd: 'containerd/1.7.24',
  podman: 'containers/5.32.0 (github.com/containers/image)',
  crane: 'go-containerregistry/v0.20.1',
  oras: 'oras/1.2.0',
};

/**
 * Pulls an image for linux/amd64 through the proxy in the way of a real client, and checks every digest and length.
 * Rejects with a PullError where the client would give up.
 */
export async function pullImage(request: PullRequest): Promise<PulledImage> {
  const pull = new Pull(request);
  try {
    return await pull.run();
  } finally {
    pull.close();
  }
}

class Pull {
  readonly #request: PullRequest;
  readonly #requests: string[] = [];
  #authorization: string | undefined;
  #socket: tls.TLSSocket | undefined;

  constructor(request: PullRequest) {
    this.#request = request;
  }

  close(): void {
    this.#socket?.destroy();
  }

  async run(): Promise<PulledImage> {
    const { style, reference } = this.#request;
    const manifests: PulledContent[] = [];
    if (style !== 'containerd' && style !== 'oras') await this.#ping();
    let digest = reference.includes(':') ? reference : undefined;
    let topType: string | undefined;
    if (style === 'docker' || style === 'containerd') {
      const head = await this.#ask('HEAD', `manifests/${reference}`, this.#acceptAll());
      digest = head.header('docker-content-digest') ?? digest;
      topType = head.header('content-type');
      // containerd's fetcher has a credential state of its own, which its resolver's token does not reach.
      if (style === 'containerd') this.#authorization = undefined;
    }
    const top = style === 'docker' || style === 'containerd' ? (digest ?? reference) : reference;
    const narrow = style === 'containerd' || style === 'crane';
    let document = await this.#manifest(top, digest, manifests, style === 'containerd' ? topType : undefined);
    const child = document.manifests?.[0];
    if (child !== undefined) {
      document = await this.#manifest(child.digest, child.digest, manifests, narrow ? child.mediaType : undefined);
    }
    const blobs = await this.#blobs(document);
    return { digest: manifests[0]?.digest ?? '', manifests, blobs, requests: this.#requests };
  }

  async #ping(): Promise<void> {
    const answer = await this.#send('GET', '/v2/', []);
    const challenge = answer.header('www-authenticate');
    if (answer.status === 401 && challenge !== undefined) await this.#login(challenge);
    else if (answer.status !== 200) throw new PullError(`ping got ${answer.status}`, answer);
  }

  async #login(challenge: string): Promise<void> {
    const { repository, credential } = this.#request;
    this.#authorization = await fetchToken(this.#request, challenge, `repository:${repository}:pull`, credential);
  }

  async #manifest(
    reference: string,
    digest: string | undefined,
    into: PulledContent[],
    type?: string,
  ): Promise<Document> {
    const exact = type === undefined ? [] : ['Accept', this.#request.style === 'containerd' ? `${type}, */*` : type];
    const answer = await this.#ask('GET', `manifests/${reference}`, exact.length > 0 ? exact : this.#acceptAll());
    const found = digest ?? answer.header('docker-content-digest') ?? '';
    this.#check(answer, found);
    into.push({ digest: found, bytes: answer.body, cacheStatus: answer.header('cache-status') });
    return JSON.parse(answer.body.toString()) as Document;
  }

  async #blobs(document: Document): Promise<PulledContent[]> {
    const { style, held } = this.#request;
    const config = document.config === undefined ? [] : [document.config];
    const all = [...config, ...(document.layers ?? [])];
    const unique = [...new Map(all.map((blob) => [blob.digest, blob])).values()];
    const wanted = unique.filter((blob) => blob === document.config || held?.has(blob.digest) !== true);
    const parallel = style === 'docker' || style === 'podman';
    if (parallel) return Promise.all(wanted.map((blob) => this.#blob(blob)));
    const blobs: PulledContent[] = [];
    for (const blob of wanted) blobs.push(await this.#blob(blob));
    return blobs;
  }

  async #blob(descriptor: Descriptor): Promise<PulledContent> {
    const { style } = this.#request;
    const accept = style === 'containerd' ? ['Accept', `${descriptor.mediaType}, */*`] : [];
    const encoding = style === 'containerd' ? 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' : 'gzip';
    const answer = await this.#ask('GET', `blobs/${descriptor.digest}`, [...accept, 'Accept-Encoding', encoding]);
    if (answer.body.length !== descriptor.size) throw new PullError(`blob of ${answer.body.length} bytes`, answer);
    this.#check(answer, descriptor.digest);
    return { digest: descriptor.digest, bytes: answer.body, cacheStatus: answer.header('cache-status') };
  }

  #check(answer: ProxyAnswer, digest: string): void {
    if (!answer.complete) throw new PullError(`body broke off (${answer.fault})`, answer);
    if (!hasDigest(answer.body, digest)) throw new PullError(`content is not ${digest}`, answer);
  }

  async #ask(method: string, what: string, headers: readonly string[]): Promise<ProxyAnswer> {
    const path = `/v2/${this.#request.repository}/${what}`;
    let answer = await this.#send(method, path, headers);
    const challenge = answer.header('www-authenticate');
    if (answer.status === 401 && challenge !== undefined && this.#authorization === undefined) {
      await this.#login(challenge);
      answer = await this.#send(method, path, headers);
    }
    if (answer.status !== 200) throw new PullError(`${method} ${what} got ${answer.status}`, answer);
    return answer;
  }

  async #send(method: string, path: string, headers: readonly string[]): Promise<ProxyAnswer> {
    const authorization = this.#authorization === undefined ? [] : ['Authorization', this.#authorization];
    const own = ['User-Agent', USER_AGENTS[this.#request.style], ...headers, ...authorization];
    if (this.#request.style === 'podman') own.push('Docker-Distribution-Api-Version', 'registry/2.0');
    const kept = await this.#keptSocket();
    const answer = await proxyGet({
      ...this.#request,
      method,
      path,
      headers: own,
      ...(kept === undefined ? {} : { socket: kept }),
    });
    if (!answer.complete || headerValue(answer.rawHeaders, 'connection') === 'close') this.close();
    this.#requests.push(`${method} ${path} -> ${answer.status}`);
    return answer;
  }

  /** docker and podman make a new connection for every request; the others send one after the other over one. */
  async #keptSocket(): Promise<tls.TLSSocket | undefined> {
    if (this.#request.style === 'docker' || this.#request.style === 'podman') return undefined;
    if (this.#socket === undefined || this.#socket.destroyed) this.#socket = await openTlsTunnel(this.#request);
    return this.#socket;
  }

  #acceptAll(): string[] {
    const { style } = this.#request;
    const types = ACCEPTED[style];
    if (style === 'podman') return types.flatMap((type) => ['Accept', type]);
    if (style === 'docker') return ['Accept', shuffled(types).join(', ')];
    return ['Accept', types.join(style === 'crane' ? ',' : ', ')];
  }
}

/** dockerd sends its types in another order each time. */
function shuffled(types: readonly string[]): string[] {
  const start = Math.floor(Math.random() * types.length);
  return [...types.slice(start), ...types.slice(0, start)];
}
