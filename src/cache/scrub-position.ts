import fs from 'node:fs/promises';
import path from 'node:path';
import { type Digest, parseDigest } from '../oci/digest.js';

const FILE_NAME = 'scrub-position';

/** The digest that the scrubber came to before; undefined for a round from the beginning. */
export async function readScrubPosition(directory: string): Promise<Digest | undefined> {
  const text = await fs.readFile(path.join(directory, FILE_NAME), 'utf8').catch(() => '');
  return parseDigest(text.trim());
}

/** Keeps the position for the next start. One that cannot be written costs a part of a round, and is nobody's fault. */
export async function keepScrubPosition(directory: string, position: Digest | undefined): Promise<void> {
  const file = path.join(directory, FILE_NAME);
  const draft = `${file}.new`;
  try {
    await fs.writeFile(draft, `${position ?? ''}\n`, { mode: 0o600 });
    await fs.rename(draft, file);
  } catch {
    await fs.rm(draft, { force: true }).catch(() => {});
  }
}
