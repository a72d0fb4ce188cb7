import type { FactStore } from '../cache/contract.js';
import { type Digest, parseDigest } from '../oci/digest.js';

/** A tag's last known digest. */
export interface TagFact {
  /** `docker.io library/alpine:3.20`; the key of its row. */
  readonly key: string;
  readonly scope: string;
  readonly tag: string;
  readonly digest: Digest;
}

/** A repository's delivery of a digest. */
export interface LinkFact {
  readonly scope: string;
  readonly digest: Digest;
}

/** Rows that are read in one go. */
const PAGE_ROWS = 1_000;
/** Behind every digest in the order of keys. */
const BEHIND_DIGESTS = '~';

export type FactPages = Pick<FactStore, 'page'>;

/** The tags whose keys begin with `prefix`, in the order of their keys, from behind `after`. Rows that say nothing are left out. */
export async function* tagFacts(facts: FactPages, prefix = '', after?: string): AsyncGenerator<TagFact> {
  for await (const { key, value } of rowsOf(facts, 'tag', prefix, after)) {
    const colon = key.lastIndexOf(':');
    const digest = parseDigest(String((value as { digest?: unknown } | null)?.digest));
    if (colon > 0 && digest !== undefined) {
      yield { key, scope: key.slice(0, colon), tag: key.slice(colon + 1), digest };
    }
  }
}

/** The links whose keys begin with `prefix` (a scope or registry with a space behind it), in the order of their keys. */
export async function* linkFacts(facts: FactPages, prefix: string, after?: string): AsyncGenerator<LinkFact> {
  for await (const { key } of rowsOf(facts, 'link', prefix, after)) {
    const link = parseLinkKey(key);
    if (link !== undefined) yield link;
  }
}

/** The scopes with a link whose keys begin with `prefix`, in order, without reading the links of each. */
export async function* linkedScopes(facts: FactPages, prefix = '', after?: string): AsyncGenerator<string> {
  let behind = after === undefined ? undefined : `${after} ${BEHIND_DIGESTS}`;
  for (;;) {
    const [row] = await facts.page('link', { prefix, limit: 1, ...(behind === undefined ? {} : { after: behind }) });
    if (row === undefined) return;
    const link = parseLinkKey(row.key);
    if (link !== undefined) yield link.scope;
    // A row of another form is a digest's list of carriers: those of one algorithm stand together.
    behind = link === undefined ? behindCarriers(row.key) : `${link.scope} ${BEHIND_DIGESTS}`;
  }
}

async function* rowsOf(facts: FactPages, kind: 'tag' | 'link', prefix: string, from: string | undefined) {
  let after = from;
  for (;;) {
    const rows = await facts.page(kind, { prefix, limit: PAGE_ROWS, ...(after === undefined ? {} : { after }) });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return;
    after = last.key;
  }
}

function parseLinkKey(key: string): LinkFact | undefined {
  const [registry = '', repository = '', text = '', ...more] = key.split(' ');
  const digest = parseDigest(text);
  if (digest === undefined || registry === '' || repository === '' || more.length > 0) return undefined;
  return { scope: `${registry} ${repository}`, digest };
}

function behindCarriers(key: string): string {
  const colon = key.indexOf(':');
  return colon === -1 ? key : `${key.slice(0, colon)}:${BEHIND_DIGESTS}`;
}
