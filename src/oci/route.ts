import type { Digest } from './digest.js';

/** What a request means to a registry. `other` is everything that is forwarded without a thought. */
export type RegistryRoute =
  | { readonly kind: 'ping' }
  | {
      readonly kind: 'manifest';
      readonly repository: string;
      readonly reference: string;
      readonly digest: Digest | undefined;
    }
  | { readonly kind: 'blob'; readonly repository: string; readonly reference: string; readonly digest: Digest }
  | { readonly kind: 'upload'; readonly repository: string }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'referrers'; readonly repository: string }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'other' };

export type RouteKind = RegistryRoute['kind'];
