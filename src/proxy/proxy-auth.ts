import { createHmac, randomBytes } from 'node:crypto';
import { ProxyError } from '../errors.js';
import type { RawHeaders } from '../http/exchange.js';
import { headerValues } from '../http/headers.js';
import { putNewest } from '../net/put-newest.js';
import { createQuota } from '../net/quota.js';
import type { PasswordList } from './htpasswd.js';
import { createPasswordCheck, type PasswordCheck } from './password-check.js';
import { openPasswordFile } from './password-file.js';

/** Who may use the proxy by `Proxy-Authorization: Basic` (RFC 9110 section 11.7, RFC 7617). */
export interface ProxyAuth {
  /**
   * The name of the user whose password the headers hold.
   * @throws ProxyError `proxy-auth`, or `overloaded` where too many wait for their password to be compared
   */
  check(headers: RawHeaders, client: string): Promise<string>;
  close(): Promise<void>;
}

export interface ProxyAuthOptions {
  /** An htpasswd file. */
  readonly file: string;
  /** Told of a change of the file that could not be taken over. */
  readonly onFault: (sentence: string) => void;
  readonly passwords?: PasswordCheck;
  /** Milliseconds of any steady clock. */
  readonly now?: () => number;
}

const REMEMBERED_MS = 5 * 60_000;
const MAX_REMEMBERED = 10_000;
const WAITING = { perClient: 8, total: 64 };
const MAX_CREDENTIALS_LENGTH = 2_048;
const BASIC = /^basic +([A-Za-z0-9+/]+={0,2})$/i;

/** Reads the htpasswd file. @throws ConfigError where it cannot be read or is wrong */
export async function openProxyAuth(options: ProxyAuthOptions): Promise<ProxyAuth> {
  const { now = () => performance.now(), passwords = createPasswordCheck() } = options;
  const file = await openPasswordFile({ ...options, now });
  const secret = randomBytes(32);
  const remembered = new Map<string, number>();
  const comparing = new Map<string, Promise<boolean>>();
  const waiting = createQuota(WAITING);

  function remember(key: string): void {
    putNewest(remembered, key, now() + REMEMBERED_MS, MAX_REMEMBERED);
  }

  async function fits(password: string, hash: string, list: PasswordList): Promise<boolean> {
    if (await passwords.compare(password, hash)) return true;
    // Or else the time of a refusal would tell whether there is such a user.
    for (const padding of list.paddingFor(hash)) await passwords.compare(password, padding);
    return false;
  }

  /** Compares once for all who ask for the same at the same time. */
  function compare(key: string, client: string, comparison: () => Promise<boolean>): Promise<boolean> {
    const running = comparing.get(key);
    if (running !== undefined) return running;
    const done = waiting.take(client);
    if (done === undefined) {
      throw new ProxyError('overloaded', 'Too many passwords wait to be compared; try again in a moment.');
    }
    const compared = comparison().finally(() => {
      done();
      comparing.delete(key);
    });
    comparing.set(key, compared);
    return compared;
  }

  return {
    check: async (headers, client) => {
      const { user, password } = readCredentials(headers);
      const list = await file.current();
      const known = list.hashOf(user);
      const hash = known ?? list.decoy;
      // With the hash in it, a changed password is forgotten at once.
      const key = createHmac('sha256', secret).update(`${user}\0${hash}\0${password}`).digest('base64');
      if (known !== undefined && (remembered.get(key) ?? 0) > now()) return user;
      const isRight = await compare(key, client, () => fits(password, hash, list));
      if (!isRight || known === undefined) throw new ProxyError('proxy-auth', 'The user or the password is wrong.');
      remember(key);
      return user;
    },
    close: () => passwords.close(),
  };
}

function readCredentials(headers: RawHeaders): { readonly user: string; readonly password: string } {
  const lines = headerValues(headers, 'Proxy-Authorization');
  if (lines.length > 1) throw new ProxyError('bad-request', 'A request has one Proxy-Authorization header.');
  const [line = ''] = lines;
  const [, encoded] = BASIC.exec(line.trim()) ?? [];
  if (encoded === undefined || encoded.length > MAX_CREDENTIALS_LENGTH) {
    throw new ProxyError(
      'proxy-auth',
      'This proxy asks for a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT.',
    );
  }
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw new ProxyError('proxy-auth', 'The user or the password is wrong.');
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
