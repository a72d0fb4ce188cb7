import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { run } from '../../lab/command.js';

async function digestOf(bytes: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/** The digests of all files in a folder and below. */
export async function digestsIn(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Set(await Promise.all(files.map((file) => digestOf(createReadStream(file)))));
}

/** The digests of all files in a tar archive. */
export async function digestsInArchive(archive: string): Promise<Set<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'entrepot-archive-'));
  try {
    await run('tar', ['-C', folder, '-xf', archive]);
    return await digestsIn(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The digest of what a program writes to standard output. */
export async function digestOfOutput(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [digest] = await Promise.all([digestOf(child.stdout), once(child, 'exit')]);
  return digest;
}

export function assertHolds(held: ReadonlySet<string>, expected: readonly string[]): void {
  const missing = expected.filter((digest) => !held.has(digest));
  assert.deepEqual(missing, [], `not held: ${missing.join(', ')}`);
}
