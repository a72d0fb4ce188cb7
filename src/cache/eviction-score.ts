/** What fetching a piece of content again costs besides its bytes, told as bytes: a token, a redirect, a connection. */
const FETCH_COST_BYTES = 16 * 1024 * 1024;
/** More uses than this say nothing more; so a favourite of last year does not stay for another. */
const COUNTED_USES = 8;
/** So that what was used this minute is told apart by size and uses, too. */
const LEAST_IDLE_MS = 60_000;

/**
 * How much a piece of content deserves to be evicted: the time that it lay unused, for each of its uses, and times the
 * bytes that come free for each byte of cost to fetch it again. For large content the last factor is 1, and the rule is
 * that of last access; a small one frees nearly nothing, and stays for longer.
 */
export function evictionScore(idleMs: number, sizeBytes: number, uses: number): number {
  const gain = sizeBytes / (FETCH_COST_BYTES + sizeBytes);
  return ((Math.max(0, idleMs) + LEAST_IDLE_MS) * gain) / Math.min(Math.max(1, uses), COUNTED_USES);
}
