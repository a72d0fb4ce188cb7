import { ConfigError } from '../errors.js';

/** The users of an htpasswd file. */
export interface PasswordList {
  /** The bcrypt hash of a user's password; undefined for an unknown user. */
  hashOf(user: string): string | undefined;
  /** A hash that no password fits, and that takes as long to compare as those of the users. */
  readonly decoy: string;
}

// 2a, 2b and 2y are the same for passwords of up to 72 bytes. Above cost 15 one comparison takes seconds.
const BCRYPT = /^\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$/;
// oxlint-disable-next-line no-control-regex -- what a log line should not hold is what is looked for
const USER = /^[^:\u0000-\u001f\u007f]{1,255}$/;

/**
 * Reads an htpasswd file whose passwords are hashed with bcrypt (`htpasswd -B`).
 * @throws ConfigError with a sentence for each line that is wrong, none of them with a hash
 */
export function parseHtpasswd(text: string, file: string): PasswordList {
  const hashes = new Map<string, string>();
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const user = line.slice(0, Math.max(colon, 0));
    const hash = line.slice(colon + 1).trim();
    const where = `${file}:${index + 1}`;
    if (colon < 1 || !USER.test(user)) problems.push(`${where}: a line is USER:HASH, as htpasswd -B writes it.`);
    else if (hashes.has(user)) problems.push(`${where}: ${user} is there twice.`);
    else if (!BCRYPT.test(hash)) {
      problems.push(`${where}: the password of ${user} is not hashed with bcrypt of cost 4 to 15; use htpasswd -B.`);
    } else hashes.set(user, hash);
  }
  if (hashes.size === 0 && problems.length === 0) problems.push(`${file}: it names no user.`);
  if (problems.length > 0) throw new ConfigError(problems);
  const [first = ''] = hashes.values();
  const cost = BCRYPT.exec(first)?.[1];
  return { hashOf: (user) => hashes.get(user), decoy: `$2b$${cost}$${'.'.repeat(53)}` };
}
