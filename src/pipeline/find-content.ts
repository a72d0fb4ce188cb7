import type { Permission } from '../access/access.js';
import type { Entry } from '../cache/contract.js';
import { headerValues } from '../http/headers.js';
import type { Digest } from '../oci/digest.js';
import { acceptAllows } from '../oci/media-types.js';
import type { Visit } from './visit.js';

/**
 * The stored content that may be given for a digest which the credential was just allowed to read: it must be as long
 * as the registry says, delivered by this repository (or public elsewhere), and of a type that the client takes.
 */
export async function findContent(
  visit: Visit,
  digest: Digest,
  permission: Pick<Permission, 'sizeBytes'>,
  isDelivered: () => Promise<boolean> = () => visit.context.access.isDelivered(visit.scope, digest),
): Promise<Entry | undefined> {
  const { context, route, exchange } = visit;
  const entry = await context.store.lookup(digest);
  if (!entry) return undefined;
  if (permission.sizeBytes !== undefined && permission.sizeBytes !== entry.sizeBytes) return undefined;
  if (route.kind === 'manifest') {
    const accept = headerValues(exchange.request.headers, 'accept');
    if (entry.mediaType === undefined || !acceptAllows(accept, entry.mediaType)) return undefined;
  }
  return (await isDelivered()) ? entry : undefined;
}
