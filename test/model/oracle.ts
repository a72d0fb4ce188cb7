import type { Digest } from '../../src/oci/digest.js';
import { type Content, contentOf } from './pool.js';

/** The two clocks that the rule is about: grants go by the first, what is stored goes by the second. */
export interface ModelClock {
  monotonicMs: number;
  wallMs: number;
}

export interface RuleTimes {
  readonly grantTtlMs: number;
  readonly publicTtlMs: number;
  /** How long a proof counts while the registry cannot be asked. */
  readonly publicKeptMs: number;
  readonly linkMaxAgeMs: number;
}

interface Said {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly step: number;
  /** The place among all that was said. */
  readonly order: number;
}

/** What one registry told one credential, as the world saw it pass. */
interface Told {
  /** Digest of a yes, and when it was said. */
  readonly yes: Map<Digest, Said>;
  /** Digest of the last 404. It takes this digest only: what a manifest covered before it was gone stays covered. */
  readonly gone: Map<Digest, Said>;
  /** The last yes other than a delivery: from then on the registry knows the credential here. */
  knownAt: number;
  /** The step of that yes. */
  knownIn: number;
}

/**
 * The access rule once more, written from what passed on the wire alone: who was told what, when, and what was
 * delivered. It knows nothing of grants, links and flights, and where two answers cross it takes the milder reading.
 */
export class Oracle {
  readonly #clock: ModelClock;
  readonly #times: RuleTimes;
  readonly #told = new Map<string, Told>();
  /** Scope and digest, with the wall time of the last delivery or yes. */
  readonly #delivered = new Map<string, number>();
  /** Scope and digest, with the wall times at which a stranger was shown it. */
  readonly #public = new Map<string, number[]>();
  /** Scope and digest, with the wall time at which a stranger was last refused it. */
  readonly #hidden = new Map<string, number>();
  readonly #scopes = new Set<string>();
  /** Pieces that registries sent for a credential's own request during this step. */
  readonly #passing = new Set<string>();
  #later: (() => void)[] = [];
  #crowded = false;
  /** Scope and digest of what was delivered in this step. */
  readonly #arrived = new Set<string>();
  #step = 0;
  #order = 0;
  /** Steps with several requests at once. */
  readonly #crowds = new Set<number>();

  constructor(clock: ModelClock, times: RuleTimes) {
    this.#clock = clock;
    this.#times = times;
  }

  /** A step begins. With several requests at once, what takes away counts only when all are over. */
  begin(requests: number): void {
    this.#crowded = requests > 1;
    this.#step += 1;
    if (this.#crowded) this.#crowds.add(this.#step);
    this.#passing.clear();
    this.#arrived.clear();
  }

  finish(): void {
    for (const take of this.#later.splice(0)) take();
  }

  /** The registry said yes to a credential for content of the right length. */
  yes(scope: string, credential: string, digest: Digest): void {
    const told = this.#toldTo(scope, credential);
    told.yes.set(digest, this.#said());
    told.gone.delete(digest);
    told.knownAt = this.#clock.monotonicMs;
    told.knownIn = this.#step;
    this.#confirm(scope, digest);
  }

  /** The registry sent all bytes to a credential. That is a yes, too. */
  delivered(scope: string, credential: string, content: Content): void {
    this.#scopes.add(scope);
    const told = this.#toldTo(scope, credential);
    told.yes.set(content.digest, this.#said());
    told.gone.delete(content.digest);
    this.#delivered.set(keyOf(scope, content.digest), this.#clock.wallMs);
    this.#arrived.add(keyOf(scope, content.digest));
  }

  /** The registry sent a piece of the content for the credential's own request: passing that on is no use of the store. */
  passed(scope: string, credential: string, digest: Digest): void {
    this.yes(scope, credential, digest);
    this.#passing.add(`${keyOf(scope, digest)} ${credential}`);
  }

  refused(scope: string, credential: string, digest: Digest | undefined, status: number, counts: boolean): void {
    const told = this.#toldTo(scope, credential);
    if ((status === 401 || status === 403) && counts) {
      this.#take(() => {
        const crossed = (step: number) => this.#crowded && step === this.#step;
        for (const [digest, { step }] of told.yes) if (!crossed(step)) told.yes.delete(digest);
        if (!crossed(told.knownIn)) told.knownAt = Number.NEGATIVE_INFINITY;
      });
    }
    if (status !== 404 || digest === undefined) return;
    // A yes that crossed the 404 may have come after it.
    const known = this.#isFresh(told.knownAt) && !(this.#crowded && told.knownIn === this.#step);
    this.#take(() => {
      told.gone.set(digest, this.#said());
      // A delivery that crossed the 404 may count after it: it is written down when its bytes are stored.
      const crossed = this.#crowded && this.#arrived.has(keyOf(scope, digest));
      if (known && !crossed) this.#delivered.delete(keyOf(scope, digest));
    });
    if (credential === '') this.#hide(keyOf(scope, digest));
  }

  /** The proxy itself, without any credential, was shown a manifest. */
  shown(scope: string, root: Content): void {
    for (const digest of root.covers) {
      const times = this.#public.get(keyOf(scope, digest)) ?? [];
      times.push(this.#clock.wallMs);
      this.#public.set(keyOf(scope, digest), times);
    }
  }

  /** The proxy itself was refused: the repository hides itself. */
  notShown(scope: string): void {
    this.#hide(scope);
  }

  #hide(key: string): void {
    this.#later.push(() => this.#hidden.set(key, this.#clock.wallMs));
  }

  removed(scope: string, digest: Digest): void {
    this.#take(() => {
      this.#delivered.delete(keyOf(scope, digest));
      this.#hidden.set(keyOf(scope, digest), this.#clock.wallMs);
    });
  }

  /** A restart forgets what anybody was told; what was delivered, and what is public, is written down. */
  restart(): void {
    this.#told.clear();
    // That one digest was gone is not written down; that a repository hides itself is.
    for (const key of this.#hidden.keys()) if (!this.#scopes.has(key)) this.#hidden.delete(key);
  }

  /** Why these bytes must not go to this credential now; undefined where they may. */
  objection(scope: string, credential: string, content: Content, isAway: boolean): string | undefined {
    if (this.#passing.has(`${keyOf(scope, content.digest)} ${credential}`)) return undefined;
    if (!this.#isAllowed(scope, credential, content.digest, isAway)) return 'not allowed';
    if (!this.#isDelivered(scope, content.digest, isAway)) return 'not delivered';
    this.#confirm(scope, content.digest);
    return undefined;
  }

  #isAllowed(scope: string, credential: string, digest: Digest, isAway: boolean): boolean {
    if (this.#isPublic(scope, digest, isAway)) return true;
    const told = this.#told.get(`${scope}\n${credential}`);
    const gone = told?.gone.get(digest);
    for (const [root, said] of told?.yes ?? []) {
      // In a step with several requests nobody knows which came first.
      const isBarred = gone && gone.order > said.order && !(this.#crowds.has(gone.step) && gone.step === said.step);
      if (!isBarred && this.#isFresh(said.at) && contentOf(root)?.covers.has(digest)) return true;
    }
    return false;
  }

  #isDelivered(scope: string, digest: Digest, isAway: boolean): boolean {
    // Nobody can confirm a delivery while nobody can be asked.
    const hasLink = (one: string) => (isAway ? this.#delivered.has(keyOf(one, digest)) : this.#hasLink(one, digest));
    if (hasLink(scope)) return true;
    return [...this.#scopes].some((other) => hasLink(other) && this.#isPublic(other, digest, isAway));
  }

  #hasLink(scope: string, digest: Digest): boolean {
    const at = this.#delivered.get(keyOf(scope, digest));
    return at !== undefined && this.#clock.wallMs - at < this.#times.linkMaxAgeMs;
  }

  #isPublic(scope: string, digest: Digest, isAway: boolean): boolean {
    const hiddenAt = Math.max(
      this.#hidden.get(keyOf(scope, digest)) ?? Number.NEGATIVE_INFINITY,
      this.#hidden.get(scope) ?? Number.NEGATIVE_INFINITY,
    );
    const lifeMs = isAway ? this.#times.publicKeptMs : this.#times.publicTtlMs;
    const times = (this.#public.get(keyOf(scope, digest)) ?? []).filter((at) => at >= hiddenAt);
    const ages = times.map((at) => this.#clock.wallMs - at);
    return ages.some((ageMs) => ageMs >= 0 && ageMs < lifeMs);
  }

  #isFresh(at: number): boolean {
    return this.#clock.monotonicMs - at < this.#times.grantTtlMs;
  }

  #confirm(scope: string, digest: Digest): void {
    const at = this.#delivered.get(keyOf(scope, digest));
    if (at === undefined || !this.#hasLink(scope, digest)) return;
    this.#delivered.set(keyOf(scope, digest), Math.max(at, this.#clock.wallMs));
  }

  #said(): Said {
    this.#order += 1;
    return { at: this.#clock.monotonicMs, step: this.#step, order: this.#order };
  }

  #take(change: () => void): void {
    if (this.#crowded) this.#later.push(change);
    else change();
  }

  #toldTo(scope: string, credential: string): Told {
    const key = `${scope}\n${credential}`;
    const told = this.#told.get(key) ?? {
      yes: new Map(),
      gone: new Map(),
      knownAt: Number.NEGATIVE_INFINITY,
      knownIn: 0,
    };
    this.#told.set(key, told);
    return told;
  }
}

function keyOf(scope: string, digest: Digest): string {
  return `${scope} ${digest}`;
}
