import { join } from 'node:path';
import { type Daemon, startDaemon } from '../lab/daemon.js';
import { session } from './session.js';

/** One line of the proxy's log; exchanges have a `kind`. */
export interface LogLine {
  readonly level: number | string;
  readonly msg?: string;
  readonly registry?: string;
  readonly repository?: string;
  readonly reference?: string;
  readonly kind?: string;
  readonly method?: string;
  readonly status?: number;
  readonly cache?: string;
  readonly reason?: string;
  readonly bytes?: number;
}

export interface RunningProxy {
  readonly url: string;
  readonly admin: string;
  readonly pid: number;
  /** The log so far. */
  log(): Promise<LogLine[]>;
  /** Ends it as Ctrl-C does and gives the exit code. */
  stop(): Promise<number | null>;
}

/** The lab's network is its own, so this port and the next one are always free. */
const USUAL_PORT = 3128;

/** True once the proxy at this port, the usual one unless said otherwise, says that it is ready. */
export async function isReady(port = USUAL_PORT): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port + 1}/readyz`)).ok;
  } catch {
    return false;
  }
}

/** Starts the built proxy on a data folder, named within the lab's folder, that may hold what an earlier run left. */
export function startProxy(dataName: string, ...options: string[]): Promise<RunningProxy> {
  return startProxyAt(USUAL_PORT, dataName, ...opening(), ...options);
}

/** What makes a proxy open registries, with the CA that the session trusts. */
export function opening(): string[] {
  return ['--ca-dir', session().caFolder, '--intercept', 'auto'];
}

/** The same at a port, with its admin port behind it, and without anything said about what is opened. */
export async function startProxyAt(port: number, dataName: string, ...options: string[]): Promise<RunningProxy> {
  const { lab } = session();
  const [listen, adminListen] = [`127.0.0.1:${port}`, `127.0.0.1:${port + 1}`];
  const places = ['--listen', listen, '--admin-listen', adminListen];
  const upstream = ['--upstream-ca', lab.certificates.authorityFile, '--egress-allow', '127.0.0.0/8'];
  const data = ['--data-dir', join(lab.folder, dataName), '--log-format', 'json'];
  const daemon: Daemon = await startDaemon(
    'node',
    ['dist/main.js', 'serve', ...places, ...upstream, ...data, ...options],
    {
      logFile: join(lab.folder, `${dataName}.log`),
      ready: () => isReady(port),
    },
  );

  async function written(): Promise<LogLine[]> {
    const lines = (await daemon.output()).split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** The log is gathered for a moment before it is written: waits until it has a line for each exchange that was counted. */
  async function log(): Promise<LogLine[]> {
    const metrics = await (await fetch(`http://${adminListen}/metrics`)).text();
    const counts = [...metrics.matchAll(/^entrepot_requests_total\{.*\} (\d+)$/gm)].map(([, count]) => Number(count));
    const expected = counts.reduce((sum, count) => sum + count, 0);
    for (;;) {
      const lines = await written();
      if (lines.filter(({ msg }) => msg === 'Exchange').length >= expected) return lines;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const { pid } = daemon;
  return { url: `http://${listen}`, admin: `http://${adminListen}`, pid, log, stop: () => daemon.stop('SIGINT') };
}
