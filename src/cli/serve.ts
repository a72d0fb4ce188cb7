import { hostname } from 'node:os';
import type { RunningApp, startApp } from '../app.js';
import { type LoadedConfig, loadSettings } from '../config/load.js';
import { OPTION_NAMES } from '../config/option-table.js';
import type { ListenAddress } from '../config/units.js';
import { formatAuthority } from '../net/authority.js';
import type { LogFields } from '../telemetry/log.js';
import { type Command, type CommandIo, renderPairs, type Signal } from './command.js';
import { nodeLifeWarning } from './node-version.js';

export const serve: Command = {
  words: ['serve'],
  summary: 'run the proxy',
  options: OPTION_NAMES,
  takesJson: false,
  run: async ({ flags }, io) => {
    const loaded = loadSettings({ ...io, flags });
    // The rest of the program is large; commands that only look at the configuration do without it.
    const { startApp } = await import('../app.js');
    return runServe(loaded, io, startApp);
  },
};

const SIGNAL_NUMBERS: Readonly<Record<Signal, number>> = { SIGINT: 2, SIGTERM: 15 };

/**
 * Runs the proxy until a signal comes, then lets it drain; a second signal, and one that comes before the proxy is
 * ready, ends the process at once with 128 and the signal's number. Gives exit code 0 when the proxy has stopped.
 */
export async function runServe(
  { config, settings }: LoadedConfig,
  io: CommandIo,
  start: typeof startApp,
): Promise<number> {
  const signals = watchSignals(io);
  try {
    // A start may take long (a lock is watched for seconds, an index is read): whoever stops it does not wait for its end.
    const running = await Promise.race([start(config), signals.first]);
    if (typeof running === 'string') return endNow(io, running);
    // Whoever asks for JSON gets JSON lines and nothing else.
    const wantsJson = config.logFormat === 'json' && originOf(settings, 'log-format') !== 'default';
    if (!wantsJson) io.out(describeStart(running));
    if (config.logFormat === 'json') running.logger.info(startFields(running), 'The proxy is ready');
    const old = nodeLifeWarning(process.versions.node, Date.now());
    if (old !== undefined) running.logger.warn({}, old);
    const signal = await signals.first;
    running.logger.info({ signal }, 'Stopping; another signal ends the process at once');
    await running.stop();
    running.logger.info({}, 'The proxy has stopped');
    return 0;
  } finally {
    signals.stop();
  }
}

const HOW_TO_TRUST = '\nThe README says how to trust it. To fetch it:\n\n';

/** Where the proxy listens, which CA to trust, and what to type on a client. */
export function describeStart({ proxy, admin, authority, nextAuthority }: RunningApp): string {
  const proxyUrl = `http://${formatAuthority(proxy.host, proxy.port)}`;
  const pairs: [string, string][] = [
    ['proxy', proxyUrl],
    ['admin', admin === undefined ? 'off' : `http://${formatAuthority(admin.host, admin.port)}`],
  ];
  if (authority !== undefined)
    pairs.push(['CA file', authority.certificatePath], ['SHA-256', authority.fingerprintSha256]);
  if (nextAuthority !== undefined) {
    pairs.push(['next CA', nextAuthority.authority.fingerprintSha256]);
    pairs.push(['signs from', new Date(nextAuthority.switchAt).toISOString()]);
  }
  const clientUrl = `http://${formatAuthority(reachableHost(proxy), proxy.port)}`;
  return [
    '\nentrepot is ready.\n\n',
    renderPairs(pairs, '  '),
    authority === undefined
      ? '\nIt opens nothing and has no CA. On a client:\n\n'
      : '\nOn a client that trusts this CA:\n\n',
    `  export HTTPS_PROXY=${clientUrl}\n`,
    authority === undefined ? '\n' : `${HOW_TO_TRUST}  curl -fO ${clientUrl}/ca.crt\n\n`,
  ].join('');
}

function startFields({ proxy, admin, authority }: RunningApp): LogFields {
  return {
    listen: formatAuthority(proxy.host, proxy.port),
    adminListen: admin === undefined ? 'off' : formatAuthority(admin.host, admin.port),
    file: authority?.certificatePath,
    fingerprint: authority?.fingerprintSha256,
  };
}

/** The host for clients to use: this machine's name where the proxy listens on all addresses. */
function reachableHost({ host }: ListenAddress): string {
  return host === '::' || host === '0.0.0.0' ? hostname() : host;
}

/** The first signal, and the end of the process at the second. */
function watchSignals(io: CommandIo): { readonly first: Promise<Signal>; stop(): void } {
  let stop = nothing;
  const first = new Promise<Signal>((resolve) => {
    let seen = false;
    stop = io.onSignal((signal) => {
      if (seen) endNow(io, signal);
      seen = true;
      resolve(signal);
    });
  });
  return { first, stop: () => stop() };
}

/** Ends the process as a signal would. Gives the exit code, too. */
function endNow(io: CommandIo, signal: Signal): number {
  const code = 128 + SIGNAL_NUMBERS[signal];
  io.exit(code);
  return code;
}

function nothing(): void {
  // Stands in until there is something to stop.
}

function originOf(settings: LoadedConfig['settings'], name: string): string | undefined {
  return settings.find((setting) => setting.name === name)?.origin;
}
