import type { FactStore } from '../cache/contract.js';
import type { Digest } from '../oci/digest.js';

/** Links as `access` writes them: a row for repository and digest, and one for the digest that lists its repositories. */
type LinkRows = Pick<FactStore, 'get' | 'set' | 'delete'>;

/** The repositories (scopes) that delivered a digest and are still known to have done so, the newest last. */
export async function carriersOf(facts: Pick<FactStore, 'get'>, digest: Digest): Promise<readonly string[]> {
  const listed = await facts.get<unknown>('link', digest);
  const scopes = Array.isArray(listed) ? listed.filter((scope) => typeof scope === 'string') : [];
  const live = await Promise.all(scopes.map((scope) => facts.get('link', `${scope} ${digest}`)));
  return scopes.filter((_, n) => live[n] !== undefined);
}

/**
 * Forgets which repositories delivered a digest: all, or those that `isGone` names. What is not known to have been
 * delivered is fetched again before it is served, so this takes rights away and gives none.
 */
export async function forgetCarriers(
  facts: LinkRows,
  digest: Digest,
  isGone: (scope: string) => boolean = () => true,
): Promise<void> {
  const scopes = await carriersOf(facts, digest);
  const stay = scopes.filter((scope) => !isGone(scope));
  if (stay.length === scopes.length) return;
  const gone = scopes.filter((scope) => isGone(scope));
  await Promise.all([
    ...gone.map((scope) => facts.delete('link', `${scope} ${digest}`)),
    stay.length === 0 ? facts.delete('link', digest) : facts.set('link', digest, stay),
  ]);
}
