import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What lies in a data folder that no process uses, judged by itself and by what the registry has seen. */
export interface FolderJudgement {
  readonly contents: number;
  readonly links: number;
  /** In words; empty where all is well. */
  readonly complaints: readonly string[];
}

/**
 * Looks through a data folder after a kill: every content file has the digest that it is named by, every link is of a
 * repository that `delivered` says has delivered the digest, and the spool holds whole names only.
 */
export async function judgeFolder(
  directory: string,
  delivered: (scope: string, digest: string) => boolean,
): Promise<FolderJudgement> {
  const complaints: string[] = [];
  let contents = 0;
  for (const { folder, name } of await filesBelow(join(directory, 'blobs'))) {
    if (name.endsWith('.sum')) continue;
    contents += 1;
    const found = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex');
    if (found !== name) complaints.push(`${name} has the digest ${found}`);
  }
  let links = 0;
  for (const { kind, key } of await standingFacts(join(directory, 'facts.log'))) {
    const space = key.lastIndexOf(' ');
    if (kind !== 'link' || space === -1) continue;
    const [scope, digest] = [key.slice(0, space), key.slice(space + 1)];
    links += 1;
    if (!delivered(scope, digest)) complaints.push(`${scope} is said to have delivered ${digest}`);
  }
  return { contents, links, complaints };
}

/** The names in the spool, which a start has to have cleared of all but kept prefixes. */
export async function spoolNames(directory: string): Promise<readonly string[]> {
  return readdir(join(directory, 'spool')).catch(() => []);
}

async function filesBelow(root: string): Promise<{ readonly folder: string; readonly name: string }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((one) => one.isFile()).map(({ parentPath, name }) => ({ folder: parentPath, name }));
}

/** Read without the proxy's own code, which is what is being judged. */
async function standingFacts(file: string): Promise<{ readonly kind: string; readonly key: string }[]> {
  const facts = new Map<string, { readonly kind: string; readonly key: string }>();
  const text = await readFile(file, 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    let fact: { readonly k?: string; readonly i?: string; readonly v?: unknown };
    try {
      fact = JSON.parse(line.slice(9)) as typeof fact;
    } catch {
      // The last line before a kill may be torn.
      continue;
    }
    if (fact.k === undefined || fact.i === undefined) continue;
    if (fact.v === undefined) facts.delete(`${fact.k}:${fact.i}`);
    else facts.set(`${fact.k}:${fact.i}`, { kind: fact.k, key: fact.i });
  }
  return [...facts.values()];
}
