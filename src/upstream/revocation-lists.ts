import { readFile, stat } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { ConfigError } from '../errors.js';

/** A file with lists of revoked certificates (RFC 5280 section 5), read again when it changes. */
export interface RevocationLists {
  /** The lists of now, as PEM, at most a minute old; a file that became useless leaves the last ones, until they expire. */
  current(): readonly string[];
}

export interface RevocationListsOptions {
  readonly file: string;
  /** What the file is called by: the place of the configuration, and the path. */
  readonly named: string;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

const LOOK_AGAIN_MS = 60_000;
const PEM_LIST = /-----BEGIN X509 CRL-----[\s\S]+?-----END X509 CRL-----/g;

/** Reads the file. @throws ConfigError where it cannot be read, holds no list, or one that is none */
export async function openRevocationLists(options: RevocationListsOptions): Promise<RevocationLists> {
  const { file, named, now = () => performance.now() } = options;
  let mark = await markOf(file);
  let lists = await read(file, named);
  let lookAt = now() + LOOK_AGAIN_MS;

  async function look(): Promise<void> {
    const found = await markOf(file);
    if (found === mark) return;
    lists = await read(file, named);
    mark = found;
  }

  return {
    current: () => {
      if (now() >= lookAt) {
        lookAt = now() + LOOK_AGAIN_MS;
        look().catch(() => undefined);
      }
      return lists;
    },
  };
}

async function markOf(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found ? `${found.ino} ${found.size} ${found.mtimeNs}` : '';
}

async function read(file: string, named: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ConfigError([`${named} cannot be read: ${(error as Error).message}`]);
  });
  const found = text.match(PEM_LIST);
  if (!found) throw new ConfigError([`${named} holds no list of revoked certificates (PEM, X509 CRL)`]);
  try {
    createSecureContext({ crl: found });
  } catch {
    throw new ConfigError([`${named} holds a list of revoked certificates that cannot be read`]);
  }
  return found;
}
