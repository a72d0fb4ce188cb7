/** What the text of an option is read as. */
export type OptionKind =
  | 'listen'
  | 'listen-or-off'
  | 'path'
  | 'optional-path'
  | 'paths'
  | 'count'
  | 'intercept'
  | 'host-patterns'
  | 'ports'
  | 'ranges'
  | 'permitted-names'
  | 'duration'
  | 'scrub'
  | 'size-limit'
  | 'max-age'
  | 'image-patterns'
  | 'timeout'
  | 'ways'
  | 'addresses'
  | 'no-proxy'
  | 'rate'
  | 'access'
  | 'outage'
  | 'switch'
  | 'log-level'
  | 'log-format';

/** One option of `entrepot serve`: flag `--name`, environment ENTREPOT_NAME, camelCase key of the YAML file. */
export interface OptionSpec {
  readonly name: string;
  readonly kind: OptionKind;
  /** What stands for the value in help texts. */
  readonly metavar: string;
  /** As text; undefined where it depends on the machine or there is none, in which case `shownDefault` says so in words. */
  readonly default: string | undefined;
  readonly shownDefault?: string;
  /** One line without a full stop. */
  readonly help: string;
}

/** All options that make up the configuration, in the order of help and README. */
export const OPTIONS = [
  {
    name: 'listen',
    kind: 'listen',
    metavar: 'HOST:PORT',
    default: '127.0.0.1:3128',
    help: 'address of the proxy',
  },
  {
    name: 'admin-listen',
    kind: 'listen-or-off',
    metavar: 'HOST:PORT',
    default: '127.0.0.1:3129',
    help: 'address of health, metrics and the CA certificate, or `off`',
  },
  {
    name: 'data-dir',
    kind: 'path',
    metavar: 'DIR',
    default: undefined,
    shownDefault: '`$XDG_STATE_HOME/entrepot` or `~/.local/state/entrepot`',
    help: 'folder of the stored content and its index',
  },
  {
    name: 'ca-dir',
    kind: 'path',
    metavar: 'DIR',
    default: undefined,
    shownDefault: '`ca/` of the checkout',
    help: 'folder of the CA key and certificate',
  },
  {
    name: 'ca-name-constraints',
    kind: 'permitted-names',
    metavar: 'LIST',
    default: '',
    help: 'names (with all below them) and address ranges that a new CA may issue certificates for; other hosts are tunnelled',
  },
  {
    name: 'intercept',
    kind: 'intercept',
    metavar: 'LIST',
    default: 'auto',
    help: 'hosts to open: `auto` (registries, found by asking), `all`, `none`, host patterns, or `auto` with patterns',
  },
  {
    name: 'tunnel',
    kind: 'host-patterns',
    metavar: 'LIST',
    default: '',
    help: 'host patterns never to open; wins over `--intercept`',
  },
  {
    name: 'deny',
    kind: 'host-patterns',
    metavar: 'LIST',
    default: '',
    help: 'host patterns to refuse; wins over all else',
  },
  {
    name: 'connect-ports',
    kind: 'ports',
    metavar: 'LIST',
    default: '443',
    help: 'ports that clients may connect to, besides those named in `--intercept`',
  },
  {
    name: 'allow-clients',
    kind: 'ranges',
    metavar: 'CIDRS',
    default: undefined,
    shownDefault: 'loopback, private, ULA, link-local, 100.64.0.0/10',
    help: 'addresses that may use the proxy',
  },
  {
    name: 'proxy-auth',
    kind: 'optional-path',
    metavar: 'FILE',
    default: '',
    help: 'htpasswd file (bcrypt); clients must give one of its users and passwords to the proxy',
  },
  {
    name: 'max-client-connections',
    kind: 'count',
    metavar: 'N',
    default: '256',
    help: 'connections that one client address may have; more where many clients share one address',
  },
  {
    name: 'max-connections',
    kind: 'count',
    metavar: 'N',
    default: '4096',
    help: 'connections that all clients together may have',
  },
  {
    name: 'admin-hosts',
    kind: 'host-patterns',
    metavar: 'LIST',
    default: '',
    help: 'names under which the admin API may be addressed, besides IP addresses and `localhost`',
  },
  {
    name: 'egress-allow',
    kind: 'ranges',
    metavar: 'CIDRS',
    default: '',
    help: 'addresses to connect to although they are loopback, link-local or otherwise refused',
  },
  {
    name: 'egress-deny',
    kind: 'ranges',
    metavar: 'CIDRS',
    default: '',
    help: 'further addresses never to connect to',
  },
  {
    name: 'upstream-ca',
    kind: 'paths',
    metavar: 'FILE',
    default: '',
    help: 'further roots (PEM) for registries, besides those of the system',
  },
  {
    name: 'upstream-proxy',
    kind: 'ways',
    metavar: 'LIST',
    default: '',
    help: 'parent proxies in order (`http://cache.example:3128`), `env` for those of HTTPS_PROXY and HTTP_PROXY, `direct` at the end for the upstream itself',
  },
  {
    name: 'upstream-proxy-auth',
    kind: 'optional-path',
    metavar: 'FILE',
    default: '',
    help: 'users and passwords for parent proxies, one a line: `HOST:PORT USER:PASSWORD`',
  },
  {
    name: 'upstream-no-proxy',
    kind: 'no-proxy',
    metavar: 'LIST',
    default: '',
    help: 'hosts to reach without a parent proxy, as in NO_PROXY',
  },
  {
    name: 'resolve',
    kind: 'addresses',
    metavar: 'LIST',
    default: '',
    help: 'addresses in place of what name servers say: `registry.example=10.0.0.5`, or with a port before the `=`',
  },
  {
    name: 'upstream-connections',
    kind: 'count',
    metavar: 'N',
    default: '256',
    help: 'connections to each upstream host; a quarter of them is kept for what is no blob',
  },
  {
    name: 'upstream-rate',
    kind: 'rate',
    metavar: 'SIZE',
    default: '0',
    help: 'what all downloads of blobs together may bring each second, as in `10MB`; `0` for anything',
  },
  {
    name: 'upstream-connect-timeout',
    kind: 'timeout',
    metavar: 'DURATION',
    default: '5s',
    help: 'how long connecting to an upstream may take, its name included',
  },
  {
    name: 'upstream-tls-timeout',
    kind: 'timeout',
    metavar: 'DURATION',
    default: '5s',
    help: 'how long the TLS handshake with an upstream may take',
  },
  {
    name: 'upstream-first-byte-timeout',
    kind: 'timeout',
    metavar: 'DURATION',
    default: '30s',
    help: 'how long an upstream may think before its answer begins',
  },
  {
    name: 'upstream-idle-timeout',
    kind: 'timeout',
    metavar: 'DURATION',
    default: '60s',
    help: 'how long nothing may come in the middle of an upstream’s body',
  },
  {
    name: 'upstream-min-rate',
    kind: 'rate',
    metavar: 'SIZE',
    default: '1KiB',
    help: 'what the body of a blob must bring each second, on average over a minute; `0` for anything',
  },
  {
    name: 'access',
    kind: 'access',
    metavar: 'check|open',
    default: 'check',
    help: 'whether the registry is asked who may read what; `open` hands stored content to every client',
  },
  {
    name: 'outage',
    kind: 'outage',
    metavar: 'serve|fail',
    default: 'serve',
    help: 'while a registry cannot be asked: `serve` from the store what is public, or `fail` as the registry does',
  },
  {
    name: 'offline',
    kind: 'switch',
    metavar: '',
    default: 'false',
    help: 'send nothing upstream, and serve what is in the store',
  },
  {
    name: 'tag-ttl',
    kind: 'duration',
    metavar: 'DURATION',
    default: '0s',
    help: 'how long a tag is given as it was looked up last, to whom it may be without asking; `0s` looks it up each time',
  },
  {
    name: 'grant-ttl',
    kind: 'duration',
    metavar: 'DURATION',
    default: '60s',
    help: 'how long a registry’s yes to a credential counts',
  },
  {
    name: 'public-ttl',
    kind: 'duration',
    metavar: 'DURATION',
    default: '1h',
    help: 'how long content counts as public after a check without credentials',
  },
  {
    name: 'link-max-age',
    kind: 'duration',
    metavar: 'DURATION',
    default: '30d',
    help: 'how long it counts that a repository delivered some content',
  },
  {
    name: 'max-size',
    kind: 'size-limit',
    metavar: 'SIZE|PERCENT',
    default: '80%',
    help: 'what the data folder may take, as in `50GiB`, or of the whole file system in `%`',
  },
  {
    name: 'min-free',
    kind: 'size-limit',
    metavar: 'SIZE|PERCENT',
    default: '5%',
    help: 'what stays free on the file system, whoever fills it',
  },
  {
    name: 'max-age',
    kind: 'max-age',
    metavar: 'DURATION',
    default: 'off',
    help: 'how long content may lie unused before it is evicted, or `off`',
  },
  {
    name: 'pins',
    kind: 'image-patterns',
    metavar: 'LIST',
    default: '',
    help: 'images never to evict, as in `registry.k8s.io/pause*` or `docker.io/library/alpine:3.*`',
  },
  {
    name: 'scrub',
    kind: 'scrub',
    metavar: 'DURATION',
    default: '30d',
    help: 'how long a round takes in which all stored content is hashed again, or `off`',
  },
  {
    name: 'drain',
    kind: 'duration',
    metavar: 'DURATION',
    default: '30s',
    help: 'how long transfers may go on after a signal to stop',
  },
  {
    name: 'log-level',
    kind: 'log-level',
    metavar: 'LEVEL',
    default: 'info',
    help: '`debug`, `info`, `warn`, `error` or `silent`',
  },
  {
    name: 'log-format',
    kind: 'log-format',
    metavar: 'json|pretty',
    default: undefined,
    shownDefault: '`pretty` on a terminal, else `json`',
    help: 'form of the log lines',
  },
] as const satisfies readonly OptionSpec[];

export type OptionName = (typeof OPTIONS)[number]['name'];

/** The option that names the YAML file; no key of that file itself. */
export const CONFIG_OPTION = {
  name: 'config',
  metavar: 'FILE',
  help: 'YAML file with the options as camelCase keys',
} as const;

export const OPTION_NAMES: readonly OptionName[] = OPTIONS.map((option) => option.name);

const LIST_KINDS: ReadonlySet<OptionKind> = new Set([
  'intercept',
  'host-patterns',
  'ports',
  'ranges',
  'permitted-names',
  'paths',
  'ways',
  'no-proxy',
  'image-patterns',
  'addresses',
]);
const PATH_KINDS: ReadonlySet<OptionKind> = new Set(['path', 'optional-path', 'paths']);

/** True where the option takes several values: separated by commas, by repeating the flag, or as a YAML sequence. */
export function isList(name: OptionName): boolean {
  return OPTIONS.some((option) => option.name === name && LIST_KINDS.has(option.kind));
}

/** True where the option names files or folders. */
export function isPath(name: OptionName): boolean {
  return OPTIONS.some((option) => option.name === name && PATH_KINDS.has(option.kind));
}

/** `admin-listen` → `ENTREPOT_ADMIN_LISTEN`. */
export function environmentName(name: string): string {
  return `ENTREPOT_${name.replaceAll('-', '_').toUpperCase()}`;
}

/** `admin-listen` → `adminListen`. */
export function fileKey(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
