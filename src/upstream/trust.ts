import { constants } from 'node:crypto';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContext } from 'node:tls';
import { ConfigError } from '../errors.js';
import { type RegistrySettings, settingsFinder } from '../registries/settings.js';
import { type ClientCertificate, readClientCertificate } from './client-certificate.js';
import { createOwnAuthority, type OwnAuthority } from './own-authority.js';
import { openRevocationLists, type RevocationLists } from './revocation-lists.js';
import { readCertificates, systemRoots } from './root-certificates.js';

export interface TrustOptions {
  /** Files of further roots, from `--upstream-ca`. */
  readonly extraFiles: readonly string[];
  /**
   * Public keys, as SPKI DER, of our own authority. What they signed is never accepted from an upstream (threats C04).
   * Asked at each connection.
   */
  readonly ownKeys: () => readonly Buffer[];
  /** What is configured for some registries. */
  readonly registries?: readonly RegistrySettings[];
  /** Overrides the operating system's files; for tests. */
  readonly systemBundles?: readonly string[];
  /** Called for a host the first time that a connection is made there without a check of its certificate. */
  readonly onInsecure?: (host: string, port: number) => void;
}

/** How one host's certificate is checked. */
export interface HostTrust {
  readonly context: SecureContext;
  /** Whether any certificate will do, but for one of our own authority. */
  readonly insecure: boolean;
}

/** What upstream connections check certificates against. */
export interface Trust {
  /** How many roots count for every host. */
  readonly roots: number;
  readonly ownAuthority: OwnAuthority;
  /** Reads the roots, which the first connection would have to wait for. */
  prepare?(): void;
  /** Asked at every connection, so that what is configured for one registry reaches no other (threats C12). */
  forHost(host: string, port: number): HostTrust;
}

/** Hosts below a wildcard have no limit; those beyond this many are not announced. */
const MAX_ANNOUNCED = 1000;

/**
 * TLS 1.2 at least, and level 2 of OpenSSL: no RSA or DH below 2048 bits, no SHA-1 or MD5 signature (threats C06). Said
 * here because the Node that runs this may have been built with less.
 */
export function upstreamContext(
  roots: readonly string[],
  clientCertificate?: ClientCertificate,
  revocationLists?: readonly string[],
): SecureContext {
  return createSecureContext({
    ca: [...roots],
    minVersion: 'TLSv1.2',
    ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=2`,
    // In TLS 1.2 the other side could show another certificate in the middle of a connection (threats C10).
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...clientCertificate,
    ...(revocationLists && { crl: [...revocationLists] }),
  });
}

/**
 * Loads the roots for upstream connections: the operating system's and those of `--upstream-ca`, without our own CA,
 * which may well stand in the system's store; and what is configured for single registries. Throws ConfigError with
 * everything that is wrong with the files that are named.
 */
export async function loadTrust(options: TrustOptions): Promise<Trust> {
  const ownAuthority = createOwnAuthority(options.ownKeys);
  const withoutOwn = (list: readonly string[]): string[] => list.filter((pem) => !ownAuthority.hasOwnKey(pem));
  const system = await systemRoots(options.systemBundles);
  const extra = await Promise.allSettled(
    options.extraFiles.map((file) => readCertificates(file, `--upstream-ca ${file}`)),
  );
  const files = await Promise.allSettled((options.registries ?? []).map(readFiles));
  throwProblems([...extra, ...files]);

  // Reading 140 roots takes 40 ms, which no start has to wait for.
  const roots = once(() => withoutOwn([...system, ...valuesOf(extra).flat()]));
  const everywhere = once((): HostTrust => ({ context: upstreamContext(roots()), insecure: false }));
  const find = settingsFinder(
    valuesOf(files).map((one) => {
      const contextFor = lastOf((lists: readonly string[] | undefined) =>
        upstreamContext([...roots(), ...withoutOwn(one.roots)], one.clientCertificate, lists),
      );
      return {
        pattern: one.pattern,
        insecure: one.insecure,
        get context() {
          return contextFor(one.revocationLists?.current());
        },
      };
    }),
  );
  const announced = new Set<string>();

  function forHost(host: string, port: number): HostTrust {
    const found = find(host, port) ?? everywhere();
    const place = `${host} ${port}`;
    if (found.insecure && !announced.has(place) && announced.size < MAX_ANNOUNCED) {
      announced.add(place);
      options.onInsecure?.(host, port);
    }
    return found;
  }

  return {
    get roots() {
      return roots().length;
    },
    prepare: () => void everywhere(),
    ownAuthority,
    forHost,
  };
}

/** The value, made when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** As `make`, whose last value is kept for as long as it is asked for with the same argument. */
function lastOf<Argument, Value>(make: (argument: Argument) => Value): (argument: Argument) => Value {
  let last: { readonly argument: Argument; readonly value: Value } | undefined;
  return (argument) => {
    if (last === undefined || last.argument !== argument) last = { argument, value: make(argument) };
    return last.value;
  };
}

interface RegistryFiles extends RegistrySettings {
  readonly roots: readonly string[];
  readonly clientCertificate: ClientCertificate | undefined;
  readonly revocationLists: RevocationLists | undefined;
}

async function readFiles(entry: RegistrySettings): Promise<RegistryFiles> {
  const { ca, crl, origin } = entry;
  const [roots, own, lists] = await Promise.allSettled([
    ca === undefined ? Promise.resolve([]) : readCertificates(ca, `${origin}: ${ca}`),
    readOwn(entry),
    crl === undefined ? undefined : openRevocationLists({ file: crl, named: `${origin}: ${crl}` }),
  ]);
  throwProblems([roots, own, lists]);
  return {
    ...entry,
    roots: valuesOf([roots]).flat(),
    clientCertificate: valuesOf([own])[0],
    revocationLists: valuesOf([lists])[0],
  };
}

async function readOwn({ clientCert, clientKey, origin }: RegistrySettings): Promise<ClientCertificate | undefined> {
  if (clientCert === undefined || clientKey === undefined) return undefined;
  return readClientCertificate(clientCert, clientKey, origin);
}

function valuesOf<T>(settled: readonly PromiseSettledResult<T>[]): T[] {
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** Everything that went wrong, as one ConfigError. */
function throwProblems(settled: readonly PromiseSettledResult<unknown>[]): void {
  const reasons: unknown[] = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const strange = reasons.find((reason) => !(reason instanceof ConfigError));
  if (strange !== undefined) throw strange;
  const problems = (reasons as ConfigError[]).flatMap((reason) => reason.problems);
  if (problems.length > 0) throw new ConfigError(problems);
}
