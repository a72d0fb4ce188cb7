import { Access, type LiveAnswer } from '../../src/access/access.js';
import { Grants } from '../../src/access/grants.js';
import { Links } from '../../src/access/links.js';
import { PublicContent } from '../../src/access/public-content.js';
import type { Digest } from '../../src/oci/digest.js';
import { createHeads } from '../../src/pipeline/heads.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { type Parts, RIGHT_PARTS } from './model-proxy.js';
import { contentOf } from './pool.js';

/** The host is what stands before the space. */
function withoutHost(scope: string): string {
  return scope.slice(scope.indexOf(' ') + 1);
}

class AccessWithoutLinks extends Access {
  override async isDelivered(): Promise<boolean> {
    return true;
  }
}

class GrantsOfAnyDigest extends Grants {
  override find(scope: string, credential: string, digest: Digest) {
    const sizeBytes = contentOf(digest)?.bytes.length ?? 0;
    return this.hasAny(scope, credential) ? { at: 0, sizeBytes, depth: 0 } : undefined;
  }
}

class GrantsThatSurviveRefusals extends Grants {
  override revoke(): void {}
}

class GrantsThatSurviveDeletion extends Grants {
  override revokeDigest(): void {}
}

class GrantsOfAnyHost extends Grants {
  override add(scope: string, credential: string, digest: Digest, sizeBytes: number, isManifest: boolean): void {
    super.add(withoutHost(scope), credential, digest, sizeBytes, isManifest);
  }
  override find(scope: string, credential: string, digest: Digest) {
    return super.find(withoutHost(scope), credential, digest);
  }
}

class LinksOfAnyHost extends Links {
  override has(scope: string, digest: Digest): Promise<boolean> {
    return super.has(withoutHost(scope), digest);
  }
  override delivered(scope: string, digest: Digest): Promise<void> {
    return super.delivered(withoutHost(scope), digest);
  }
}

class LinksOfAnyRepository extends Links {
  override async has(_scope: string, digest: Digest): Promise<boolean> {
    return (await this.carriers(digest)).length > 0;
  }
}

class AccessThatBelievesAnybody extends Access {
  override async observe(answer: LiveAnswer): Promise<void> {
    await super.observe({ ...answer, status: answer.status === 404 ? 0 : answer.status });
  }
}

/** An outage opens the store to everybody who comes. */
class AccessThatOpensInAnOutage extends Access {
  override async stalePermission() {
    return { by: 'public', sizeBytes: undefined } as const;
  }
}

/** A repository that hides itself takes one proof along and leaves the others. */
class ProofsThatSurviveHiding extends PublicContent {
  override async hide(): Promise<void> {}
}

/** Takes a redirect for a yes, as a probe would that thinks the registry signed something for the caller. */
function redirectAsYes(client: UpstreamClient): UpstreamClient {
  return {
    async send(request) {
      const response = await client.send(request);
      const content = contentOf(request.path.slice(request.path.lastIndexOf('/') + 1));
      if (request.method !== 'HEAD' || response.status !== 307 || !content) return response;
      return { ...response, status: 200, headers: ['Content-Length', String(content.bytes.length)] };
    },
    close: () => client.close(),
  };
}

/** The same with a leader's answer for all who ask at the same time: the credential is not in the key. */
function sharedHeads() {
  const heads = createHeads();
  return {
    ...heads,
    ask: (key: string, send: Parameters<typeof heads.ask>[1]) => {
      const [scope, kind, reference] = key.split('\n');
      return heads.ask([scope, kind, reference].join('\n'), send);
    },
  };
}

/** Mistakes that proxies of this kind have made. Each must be found by the model. */
export const MISTAKES: Readonly<Record<string, Partial<Parts>>> = {
  'delivery is not looked at': { access: (parts) => new AccessWithoutLinks(parts) },
  'a delivery by one repository counts for all': { links: (options) => new LinksOfAnyRepository(options) },
  'the host is missing in the key of deliveries': { links: (options) => new LinksOfAnyHost(options) },
  'the host is missing in the key of grants': { grants: (options) => new GrantsOfAnyHost(options) },
  'the digest is missing in the grant': { grants: (options) => new GrantsOfAnyDigest(options) },
  'the credential is missing in the grant': {
    credentials: () => ({ read: () => ({ id: 'somebody', anonymous: false }) }),
  },
  'a grant survives a refusal': { grants: (options) => new GrantsThatSurviveRefusals(options) },
  'a grant survives the end of its digest': { grants: (options) => new GrantsThatSurviveDeletion(options) },
  'the end of a digest is not taken note of': { access: (parts) => new AccessThatBelievesAnybody(parts) },
  'a grant lives for ever': { grants: (options) => new Grants({ ...options, now: () => 0 }) },
  'a delivery counts for ever': { links: (options) => new Links({ ...options, now: () => 0 }) },
  'the leader’s answer is everybody’s': { heads: sharedHeads },
  'an outage opens the store': { access: (parts) => new AccessThatOpensInAnOutage(parts) },
  'what was public once is so for ever in an outage': {
    publicContent: (options) => new PublicContent({ ...options, keptMs: Number.POSITIVE_INFINITY }),
  },
  'the parts of a repository that hides itself stay public': {
    publicContent: (options) => new ProofsThatSurviveHiding(options),
  },
  'a redirect alone is a yes': { upstream: redirectAsYes },
  'a restart forgets nothing': forgetful(),
};

/** Grants that outlive the process, and credentials with them. */
function forgetful(): Partial<Parts> {
  let grants: Grants | undefined;
  const reader = RIGHT_PARTS.credentials();
  return {
    grants: (options) => {
      grants ??= new Grants(options);
      return grants;
    },
    credentials: () => reader,
  };
}
