import type { RegistryRoute } from '../oci/route.js';

/** Why a body may be given from disk; stands in Cache-Status as `detail`. */
export type PermittedBy = 'granted' | 'probed' | 'resolved' | 'public' | 'open';

/** What is known of a request at one point of its way. */
export interface RequestFacts {
  readonly method: string;
  readonly route: RegistryRoute;
  /** By what the credential may read the digest here; undefined while nobody was asked. */
  readonly permission?: PermittedBy | undefined;
  /** Whether the content is stored, delivered by this repository, and of a type that the client takes. */
  readonly usable?: boolean | undefined;
}

/** What happens next. Each has a reason that log and metrics know it by. */
export type Decision =
  | { readonly action: 'serve'; readonly reason: PermittedBy }
  | { readonly action: 'authorise'; readonly reason: 'digest' }
  | { readonly action: 'look-up'; readonly reason: PermittedBy }
  | { readonly action: 'fill'; readonly reason: 'not-held' }
  | { readonly action: 'resolve'; readonly reason: 'tag' }
  | { readonly action: 'forward'; readonly reason: 'not-content' | 'head' | 'write' };

/**
 * The policy, without any I/O. The order of the questions is the security of it: a tag is resolved live, a HEAD is
 * always answered by the registry, and the store is not looked at before the credential was let in.
 */
export function decide(facts: RequestFacts): Decision {
  const { method, route, permission, usable } = facts;
  if (route.kind !== 'manifest' && route.kind !== 'blob') return { action: 'forward', reason: 'not-content' };
  if (method === 'HEAD') return { action: 'forward', reason: 'head' };
  if (method !== 'GET') return { action: 'forward', reason: 'write' };
  if (route.digest === undefined) return { action: 'resolve', reason: 'tag' };
  if (permission === undefined) return { action: 'authorise', reason: 'digest' };
  if (usable === undefined) return { action: 'look-up', reason: permission };
  return usable ? { action: 'serve', reason: permission } : { action: 'fill', reason: 'not-held' };
}
