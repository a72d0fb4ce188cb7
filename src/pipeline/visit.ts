import type { Credential } from '../access/credential.js';
import type { Exchange } from '../http/exchange.js';
import type { Digest } from '../oci/digest.js';
import type { RegistryRoute } from '../oci/route.js';
import type { UpstreamClient } from '../upstream/contract.js';
import type { PipelineContext } from './context.js';
import type { Trace } from './trace.js';
import type { WantedContent } from './wrong-bytes.js';

/** A route that names content: what the cache is about. */
export type ContentRoute = Extract<RegistryRoute, { kind: 'manifest' | 'blob' }>;

/** One exchange for content of a repository, with everything that its steps need. */
export interface Visit {
  readonly context: PipelineContext;
  readonly exchange: Exchange;
  readonly trace: Trace;
  readonly route: ContentRoute;
  /** Registry and repository in one word: what grants, links, proofs and flights belong to. */
  readonly scope: string;
  readonly credential: Credential;
  /** True where the client shows a token of ours that stands for nobody: the registry is asked in nobody's name. */
  readonly stranger: boolean;
  /** The upstream client, counting for this exchange. */
  readonly upstream: UpstreamClient;
  /** The same for bodies of blobs. */
  readonly blobs: UpstreamClient;
}

/** What a visit asks for, by digest. */
export function wantedBy({ scope, credential, exchange }: Visit, digest: Digest): WantedContent {
  return { scope, digest, credential: credential.id, client: exchange.client };
}

/**
 * Registry and repository in one word. Neither may contain a space, so two pairs never give the same word. A mirror
 * that serves several registries under one name (`ns=`) has a repository of its own for each.
 */
export function scopeOf(registry: string, route: ContentRoute): string {
  const namespace = route.namespace === undefined ? '' : `?ns=${route.namespace}`;
  return `${registry} ${route.repository}${namespace}`;
}
