import { NumberTable } from '../cache/number-table.js';
import { type Digest, digestHex } from '../oci/digest.js';

/**
 * A set of digests that knows each by 52 bits of it, for sets of a million: some 40 bytes each, a third of what the
 * texts need. Two digests of the same bits count as one, which keeps a piece of content that might have gone.
 */
export interface DigestSet {
  add(digest: Digest): void;
  has(digest: Digest): boolean;
  readonly size: number;
}

/** Hex digits that a number of JavaScript holds exactly. */
const DIGITS = 13;

export function createDigestSet(): DigestSet {
  const keys = new NumberTable();
  return {
    add: (digest) => keys.set(keyOf(digest), 1),
    has: (digest) => keys.get(keyOf(digest)) !== undefined,
    get size() {
      return keys.size;
    },
  };
}

function keyOf(digest: Digest): number {
  return Number.parseInt(digestHex(digest).slice(0, DIGITS), 16);
}
