import dns from 'node:dns';
import { isIPv4 } from 'node:net';

export interface NameLookupOptions {
  /** Stands in for `dns.lookup` in tests. */
  readonly system?: typeof dns.lookup;
  /** Asks name servers without a thread: the addresses of a name, empty where it has none. May reject. */
  readonly servers?: (name: string) => Promise<readonly string[]>;
  /** How long the system may take before name servers are asked as well. */
  readonly patienceMs?: number;
}

type Callback = (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void;

const PATIENCE_MS = 1000;

/**
 * A `dns.lookup` (with `all`) that many slow names cannot stop. The system's own resolver is asked first, for the sake of
 * /etc/hosts and search domains; it holds one of libuv's threads as long as it takes, of which libuv gives resolvers no
 * more than half, so that file reads go on, but other names wait. Equal questions are therefore one, and a name that
 * has waited for a second is asked for at the name servers too, without a thread; whichever has an address first
 * counts. That there is none, only the system can say.
 */
export function createNameLookup(options: NameLookupOptions = {}): typeof dns.lookup {
  const { system = dns.lookup, servers = createServers(), patienceMs = PATIENCE_MS } = options;
  const questions = new Map<string, Callback[]>();

  function ask(key: string, name: string, lookupOptions: dns.LookupOptions, first: Callback): void {
    const callbacks = [first];
    questions.set(key, callbacks);
    let answered = false;
    function answer(error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]): void {
      if (answered) return;
      answered = true;
      clearTimeout(timer);
      questions.delete(key);
      for (const callback of callbacks) callback(error, addresses);
    }
    const timer = setTimeout(() => {
      void askServers(name).then((addresses) => addresses.length > 0 && answer(null, addresses));
    }, patienceMs);
    system(name, { ...lookupOptions, all: true }, answer);
  }

  async function askServers(name: string): Promise<dns.LookupAddress[]> {
    const found = await servers(name).catch(() => []);
    return found.map((address) => ({ address, family: isIPv4(address) ? 4 : 6 }));
  }

  function lookup(name: string, lookupOptions: dns.LookupOptions, callback: Callback): void {
    const key = `${name} ${lookupOptions.family ?? 0} ${lookupOptions.hints ?? 0}`;
    const asked = questions.get(key);
    if (asked) asked.push(callback);
    else ask(key, name, lookupOptions, callback);
  }

  return lookup as unknown as typeof dns.lookup;
}

function createServers(): (name: string) => Promise<readonly string[]> {
  const resolver = new dns.promises.Resolver({ timeout: 1000, tries: 2 });
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  };
}
