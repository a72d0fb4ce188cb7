import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseAuthority } from '../../src/net/authority.js';
import type { Way } from './pull.js';
import type { Place } from './raw-client.js';
import { type ProxyOptions, proxyFlags } from './start-proxy.js';

/** The program itself, in a process of its own. */
export interface ProxyProcess {
  readonly process: ChildProcess;
  readonly place: Place;
  /** `host:port` of the admin port. */
  readonly admin: string;
  readonly way: Way;
  /** Everything it has said so far, or the latest lines of very many. */
  readonly output: () => string;
  /** Sends a signal and resolves with exit code or signal. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

interface Announced {
  readonly msg?: string;
  readonly listen: string;
  readonly adminListen: string;
  readonly file: string;
}

/** It ended before it was ready. */
export class StartFailed extends Error {
  readonly code: number | null;

  constructor(code: number | null, output: string) {
    super(`the proxy ended with ${code}: ${output}`);
    this.code = code;
  }
}

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const FROM_SOURCE = ['--import', 'tsx', 'src/main.ts'];
const MOST_LINES = 50_000;

/** Runs `entrepot serve` on a folder and resolves when it is ready. Rejects with StartFailed where it ends before. */
export async function spawnProxy(
  folder: string,
  options: ProxyOptions,
  environment: Readonly<Record<string, string>> = {},
  program: readonly string[] = FROM_SOURCE,
): Promise<ProxyProcess> {
  const flags = { ...(await proxyFlags(folder, options)), 'log-level': options.flags?.['log-level'] ?? 'info' };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [...program, 'serve', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = new Promise<Announced>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      said.push(`${line}\n`);
      if (said.length > MOST_LINES) said.splice(0, MOST_LINES / 2);
      const fields = JSON.parse(line) as Announced;
      if (fields.msg === 'The proxy is ready') resolve(fields);
    });
  });
  const failed = exited.then(([code]) => Promise.reject(new StartFailed(code, said.join(''))));
  failed.catch(() => undefined);
  const { listen, adminListen, file } = await Promise.race([ready, failed]);
  const place = parseAuthority(listen);
  const ca = await readFile(file, 'utf8');
  return {
    process: child,
    place,
    admin: adminListen,
    way: { proxy: place, ca: [ca, ...options.registries.map((registry) => registry.ca)] },
    output: () => said.join(''),
    end: async (signal) => {
      child.kill(signal);
      const [code, by] = await exited;
      return code ?? by ?? 'SIGKILL';
    },
  };
}
