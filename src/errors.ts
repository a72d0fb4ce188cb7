/** Who is to blame for a fault: the client, the registry, or this proxy. The single most useful field of a proxy's log. */
export type FaultSource = 'downstream' | 'upstream' | 'internal';

interface FaultKind {
  readonly source: FaultSource;
  /** HTTP status that the client gets when the head of the answer is not yet sent. */
  readonly status: number;
}

/** Every way in which an exchange can fail; one word serves the code, the log and the metric. */
const FAULTS = {
  'bad-request': { source: 'downstream', status: 400 },
  'bad-authority': { source: 'downstream', status: 400 },
  denied: { source: 'downstream', status: 403 },
  'proxy-auth': { source: 'downstream', status: 407 },
  'method-refused': { source: 'downstream', status: 405 },
  misdirected: { source: 'downstream', status: 421 },
  'headers-too-large': { source: 'downstream', status: 431 },
  loop: { source: 'downstream', status: 508 },
  overloaded: { source: 'downstream', status: 503 },
  'client-gone': { source: 'downstream', status: 499 },
  'client-stalled': { source: 'downstream', status: 408 },
  'client-tls': { source: 'downstream', status: 400 },
  'egress-refused': { source: 'downstream', status: 403 },
  'upstream-dns': { source: 'upstream', status: 502 },
  'upstream-connect': { source: 'upstream', status: 502 },
  'upstream-tls': { source: 'upstream', status: 502 },
  'upstream-timeout': { source: 'upstream', status: 504 },
  'upstream-protocol': { source: 'upstream', status: 502 },
  'upstream-truncated': { source: 'upstream', status: 502 },
  offline: { source: 'upstream', status: 504 },
  'upstream-redirect': { source: 'upstream', status: 502 },
  'upstream-parent': { source: 'upstream', status: 502 },
  'digest-mismatch': { source: 'upstream', status: 502 },
  store: { source: 'internal', status: 500 },
  'content-damaged': { source: 'internal', status: 502 },
  'shutting-down': { source: 'internal', status: 503 },
  internal: { source: 'internal', status: 500 },
} as const satisfies Record<string, FaultKind>;

export type FaultCode = keyof typeof FAULTS;

/** All fault codes, for metrics whose label set must be bounded. */
export const FAULT_CODES = Object.keys(FAULTS) as readonly FaultCode[];

/** A fault with a stable code. The message is for people and never contains a credential or a signed URL. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError';
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  get source(): FaultSource {
    return FAULTS[this.code].source;
  }

  get status(): number {
    return FAULTS[this.code].status;
  }
}

/** Turns anything thrown into a ProxyError; what is not one already counts as `fallback`. */
export function asProxyError(thrown: unknown, fallback: FaultCode = 'internal'): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ProxyError(fallback, message, { cause: thrown });
}

/** Everything that is wrong with the options, the configuration file or the CA folder, all at once. Exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
