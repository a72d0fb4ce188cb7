import { ConfigError } from '../errors.js';

/** The users of an htpasswd file. */
export interface PasswordList {
  /** The bcrypt hash of a user's password; undefined for an unknown user. */
  hashOf(user: string): string | undefined;
  /** A hash that no password fits, of the highest cost of all users. */
  readonly decoy: string;
  /**
   * Hashes that no password fits, to be compared after a refusal by `hash`: with them, each refusal is the same work,
   * for unknown users and for users of any cost. A comparison of cost c takes 2^c rounds.
   */
  paddingFor(hash: string): readonly string[];
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
  const highest = Math.max(...[...hashes.values()].map(costOf));
  return {
    hashOf: (user) => hashes.get(user),
    decoy: decoyOf(highest),
    // 2^c and 2^c + 2^(c+1) + … + 2^(h-1) are 2^h together.
    paddingFor: (hash) => {
      const cost = costOf(hash);
      return Array.from({ length: highest - cost }, (_, i) => decoyOf(cost + i));
    },
  };
}

function costOf(hash: string): number {
  return Number(BCRYPT.exec(hash)?.[1]);
}

function decoyOf(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`;
}
