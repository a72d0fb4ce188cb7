import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.js';
import type { Manifest } from '../oci/manifest.js';
import type { Credential } from './credential.js';
import { type Grants, MAX_DEPTH } from './grants.js';
import type { Links } from './links.js';
import type { PublicContent, PublicRow } from './public-content.js';

/** So many children of a manifest are proven public before others have their turn. */
const CHILDREN_PER_TURN = 250;

/** A manifest whose bytes are held, and how many they are. */
export interface HeldManifest extends Manifest {
  readonly sizeBytes: number;
}

/** Reads a stored manifest; undefined where it is not held or can be read in more than one way. */
export type ManifestReader = (digest: Digest) => Promise<HeldManifest | undefined>;

/** Why a body may be given to a client. */
export interface Permission {
  readonly by: 'granted' | 'public' | 'open';
  /** The length that the registry's yes gave for the digest: a yes for another length is none. Undefined where it was compared already. */
  readonly sizeBytes: number | undefined;
  /** True where the yes was for a manifest whose verified bytes list the digest with this length. */
  readonly inherited?: boolean;
}

/** A registry's answer to a client, as far as it says what the client may read. */
export interface LiveAnswer {
  readonly scope: string;
  readonly credential: Credential;
  readonly digest: Digest | undefined;
  readonly status: number;
  /** Whether a refusal speaks about the credential: some registries refuse all HEADs of blobs to everybody. */
  readonly refusalCounts: boolean;
}

export interface AccessParts {
  readonly grants: Grants;
  readonly links: Links;
  readonly publicContent: PublicContent;
  readonly manifests: ManifestReader;
  /** `open` asks nobody: for closed networks only. */
  readonly mode: 'check' | 'open';
}

/**
 * May this credential read this digest here? Content is shared by digest, the right to read it is not: a digest is
 * given to a credential in a repository only where it is allowed (the registry said so, to this credential or to a
 * stranger, a short while ago) and delivered (this repository once sent all its bytes, or it is public elsewhere).
 */
export class Access {
  readonly #grants: Grants;
  readonly #links: Links;
  readonly #public: PublicContent;
  readonly #manifests: ManifestReader;
  readonly #open: boolean;

  constructor(parts: AccessParts) {
    this.#grants = parts.grants;
    this.#links = parts.links;
    this.#public = parts.publicContent;
    this.#manifests = parts.manifests;
    this.#open = parts.mode === 'open';
  }

  /** The first half of the rule, *allowed*: a fresh grant or a fresh proof that the digest is public here. */
  async permission(scope: string, credential: Credential, digest: Digest): Promise<Permission | undefined> {
    if (this.#open) return { by: 'open', sizeBytes: undefined };
    const direct =
      this.#grants.find(scope, credential.id, digest) ?? (await this.#inherited(scope, credential, digest));
    if (direct) return { by: 'granted', sizeBytes: direct.sizeBytes, inherited: direct.depth > 0 };
    return (await this.#public.has(scope, digest)) ? { by: 'public', sizeBytes: undefined } : undefined;
  }

  /**
   * As `permission`, where the registry cannot be asked: a grant within its life, or a proof that is up to 30 days old.
   * Nothing is renewed by it.
   */
  async stalePermission(scope: string, credential: Credential, digest: Digest): Promise<Permission | undefined> {
    const known = await this.permission(scope, credential, digest);
    if (known) return known;
    return (await this.#public.isKept(scope, digest)) ? { by: 'public', sizeBytes: undefined } : undefined;
  }

  /** As `isDelivered`, where the registry cannot be asked: links do not age meanwhile. */
  async wasDelivered(scope: string, digest: Digest): Promise<boolean> {
    if (this.#open || (await this.#links.hasEver(scope, digest))) return true;
    for (const carrier of await this.#links.carriers(digest)) {
      const elsewhere = carrier !== scope && (await this.#links.hasEver(carrier, digest));
      if (elsewhere && (await this.#public.isKept(carrier, digest))) return true;
    }
    return false;
  }

  /** The second half of the rule, *delivered*. */
  async isDelivered(scope: string, digest: Digest): Promise<boolean> {
    if (this.#open || (await this.#links.has(scope, digest))) return true;
    for (const carrier of await this.#links.carriers(digest)) {
      const elsewhere = carrier !== scope && (await this.#links.has(carrier, digest));
      if (elsewhere && (await this.#public.has(carrier, digest))) return true;
    }
    return false;
  }

  isPublic(scope: string, digest: Digest): Promise<boolean> {
    return this.#public.has(scope, digest);
  }

  /** Whether the digest was public when the registry last said so, up to 30 days ago. */
  wasPublic(scope: string, digest: Digest): Promise<boolean> {
    return this.#public.isKept(scope, digest);
  }

  /**
   * A live yes for this digest, with the length that the registry gave: a login page says yes to everything, so nothing
   * follows from it before the length is compared with that of the content. It proves nothing public either, because
   * what looks like a stranger's request may carry what some registries trust, such as X-Forwarded-For.
   */
  allow(
    scope: string,
    credential: Credential,
    digest: Digest,
    sizeBytes: number,
    isManifest: boolean,
    askedAt?: number,
  ): void {
    this.#grants.add(scope, credential.id, digest, sizeBytes, isManifest, askedAt);
  }

  /** The time of a question that is about to be asked, for `allow`. */
  now(): number {
    return this.#grants.now();
  }

  /** The time of a question in nobody's name that is about to be asked, for `provePublic`. */
  publicNow(): number {
    return this.#public.now();
  }

  /** All bytes of the digest came from this repository and their digest is right. */
  async delivered(scope: string, digest: Digest): Promise<void> {
    await this.#links.delivered(scope, digest);
    const proof = await this.#public.find(scope, digest);
    // A manifest that was proven public before it was stored passes the proof on now that it can be read.
    if (proof) await this.#provePublicBelow(scope, digest, proof);
  }

  /** The digest was confirmed by a live answer, or served on one. */
  confirmed(scope: string, digest: Digest): Promise<void> {
    return this.#links.confirmed(scope, digest);
  }

  /** The registry showed this manifest to a stranger at `provenAt` (milliseconds since the epoch). */
  async provePublic(scope: string, digest: Digest, provenAt: number): Promise<void> {
    const proof = { provenAt, depth: 0 };
    await this.#public.prove(scope, digest, proof);
    await this.#provePublicBelow(scope, digest, proof);
  }

  /** The repository deleted the digest; whoever still has a grant finds nothing here that was delivered. */
  async deleted(scope: string, digest: Digest): Promise<void> {
    await this.#public.drop(scope, digest);
    await this.#links.drop(scope, digest);
  }

  /** The registry hid the digest from the proxy's own question: no proof in this repository counts any more. */
  async dropPublic(scope: string, digest: Digest): Promise<void> {
    await this.#public.drop(scope, digest);
    await this.#public.hide(scope);
  }

  /** The same where it was a tag that strangers do not get to see. */
  hidePublic(scope: string): Promise<void> {
    return this.#public.hide(scope);
  }

  /** Takes back what a live refusal takes away: 401 and 403 all grants of the credential here, 404 this digest. */
  async observe(answer: LiveAnswer): Promise<void> {
    const { scope, credential, digest, status } = answer;
    if ((status === 401 || status === 403) && answer.refusalCounts) this.#grants.revoke(scope, credential.id);
    if (status !== 404 || digest === undefined) return;
    this.#grants.revokeDigest(scope, credential.id, digest);
    const known = this.#grants.hasAny(scope, credential.id);
    if (credential.anonymous) await this.#public.drop(scope, digest);
    if (known) await this.#links.drop(scope, digest);
  }

  async #inherited(scope: string, credential: Credential, digest: Digest) {
    // Expanding an index uncovers its children, which may be stored and can be expanded in turn.
    for (let level = 0; level < MAX_DEPTH; level += 1) {
      let progress = false;
      for (const { digest: manifestDigest, grant } of this.#grants.unexpanded(scope, credential.id)) {
        const manifest = await this.#manifests(manifestDigest);
        // A yes of another length was not for this manifest (a login page, say): nothing follows from it.
        if (!manifest || grant.sizeBytes !== manifest.sizeBytes) continue;
        progress = true;
        const children = manifest.descriptors.map((child) => ({
          digest: child.digest,
          sizeBytes: child.sizeBytes,
          isManifest: child.kind === 'manifest',
        }));
        this.#grants.expand(scope, credential.id, manifestDigest, grant, children);
      }
      const found = this.#grants.find(scope, credential.id, digest);
      if (found || !progress) return found;
    }
    return undefined;
  }

  async #provePublicBelow(scope: string, digest: Digest, proof: PublicRow): Promise<void> {
    if (proof.depth >= MAX_DEPTH) return;
    const manifest = await this.#manifests(digest);
    if (!manifest) return;
    const below = { provenAt: proof.provenAt, depth: proof.depth + 1 };
    for (const [i, child] of manifest.descriptors.entries()) {
      // Rows in memory are read without a turn of the event loop, and a manifest may list thousands.
      if (i % CHILDREN_PER_TURN === CHILDREN_PER_TURN - 1) await nextTurn();
      await this.#public.prove(scope, child.digest, below);
      if (child.kind === 'manifest') await this.#provePublicBelow(scope, child.digest, below);
    }
  }
}
