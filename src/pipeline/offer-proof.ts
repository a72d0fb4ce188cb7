import type { Digest } from '../oci/digest.js';
import type { Visit } from './visit.js';

/**
 * Asks, off the client's path, whether a manifest of this repository is public. `sizeBytes` is the length of the content
 * that is held. A mirror's `ns=` names a registry that a stranger's question does not, so nothing is proven there.
 */
export function offerProof(visit: Visit, digest: Digest, sizeBytes: number): void {
  const { context, exchange, scope, route } = visit;
  if (route.namespace !== undefined) return;
  const { repository } = route;
  context.publicProofs.offer({ target: exchange.target, scope, repository, digest, sizeBytes });
}
