/** Repositories that a line names; of more it tells how many. */
const NAMED = 2;

/** Who delivered a content, as a cell of a table. */
export function nameCarriers(repositories: readonly string[]): string {
  const named = repositories.slice(0, NAMED).join(', ');
  return repositories.length > NAMED ? `${named} and ${repositories.length - NAMED} more` : named;
}
