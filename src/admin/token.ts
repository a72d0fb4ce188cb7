import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../errors.js';

export const TOKEN_FILE = 'admin.token';

const TOKEN_BYTES = 32;
const TOKEN = /^[\x21-\x7e]{16,512}$/;

/**
 * The token of the admin API: that of `<folder>/admin.token`, which is made (0600) where it is not there.
 * @throws ConfigError where the file cannot be read or made, holds no token, or is readable by everybody
 */
export async function openAdminToken(folder: string): Promise<string> {
  const file = path.join(folder, TOKEN_FILE);
  try {
    return (await make(file)) ?? (await read(file));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`${file} cannot be used (${(error as NodeJS.ErrnoException).code ?? String(error)}).`]);
  }
}

/** Whether what was presented is the token, in a time that says nothing of either. */
export function isToken(presented: string, token: string): boolean {
  return timingSafeEqual(digestOf(presented), digestOf(token));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Makes the file; undefined where it is there already, since another process may have been quicker. */
async function make(file: string): Promise<string | undefined> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(`${token}\n`);
    } finally {
      await handle.close();
    }
    return token;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

async function read(file: string): Promise<string> {
  const { mode } = await stat(file);
  // A group may read it: volumes of Kubernetes come that way.
  if ((mode & 0o007) !== 0) {
    throw new ConfigError([`${file} is open to everybody on this machine; run chmod 600 ${file}, or remove it.`]);
  }
  const token = (await readFile(file, 'utf8')).trim();
  if (TOKEN.test(token)) return token;
  throw new ConfigError([
    `${file} holds no token of 16 to 512 printable characters; remove it, and a new one is made.`,
  ]);
}
