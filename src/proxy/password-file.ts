import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from '../errors.js';
import { type PasswordList, parseHtpasswd } from './htpasswd.js';

/** An htpasswd file that is read again when it changes. */
export interface PasswordFile {
  /** The users of now, at most a second old. Never rejects: a file that became unreadable leaves the last users in force. */
  current(): Promise<PasswordList>;
}

export interface PasswordFileOptions {
  readonly file: string;
  /** Told once for each change of the file that could not be taken over, in one sentence. */
  readonly onFault: (sentence: string) => void;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

const LOOK_AGAIN_MS = 1_000;

/** Reads the file. @throws ConfigError where it cannot be read or is wrong */
export async function openPasswordFile(options: PasswordFileOptions): Promise<PasswordFile> {
  const { file, onFault, now = () => performance.now() } = options;
  let mark = await markOf(file);
  let list = await read(file);
  let lookedAt = now();
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const found = await markOf(file);
    if (found === mark) return;
    mark = found;
    try {
      list = await read(file);
    } catch (error) {
      onFault(error instanceof Error ? error.message : String(error));
    }
  }

  return {
    current: async () => {
      if (looking === undefined && now() - lookedAt >= LOOK_AGAIN_MS) {
        lookedAt = now();
        looking = look().finally(() => {
          looking = undefined;
        });
      }
      await looking;
      return list;
    },
  };
}

/** What changes when the file does; a file that is not there has a mark as well. */
async function markOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unreadable';
  }
}

async function read(file: string): Promise<PasswordList> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError([`--proxy-auth: ${file} cannot be read (${code}).`]);
  }
  return parseHtpasswd(text, file);
}
