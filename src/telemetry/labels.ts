const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * A function that gives the first `limit` different values back as they are and `other` for any further one: the values
 * of one metric label stay bounded whatever names a client comes up with.
 */
export function boundedLabel(limit: number): (value: string) => string {
  const seen = new Set<string>();
  return (value) => {
    if (seen.has(value)) return value;
    if (seen.size >= limit) return 'other';
    seen.add(value);
    return value;
  };
}

/** The method, or `other` for one that no registry client uses. */
export function methodLabel(method: string): string {
  return METHODS.has(method) ? method : 'other';
}

/** The HTTP status as text; 0 (no answer) is `none`. */
export function statusLabel(status: number): string {
  if (status === 0) return 'none';
  return Number.isInteger(status) && status >= 100 && status <= 599 ? String(status) : 'other';
}
