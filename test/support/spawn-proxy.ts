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
  readonly way: Way;
  /** Everything it has said so far. */
  readonly output: () => string;
  /** Sends a signal and resolves with exit code or signal. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
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

/** Runs `entrepot serve` on a folder and resolves when it is ready. Rejects with StartFailed where it ends before. */
export async function spawnProxy(
  folder: string,
  options: ProxyOptions,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProxyProcess> {
  const flags = { ...(await proxyFlags(folder, options)), 'log-level': options.flags?.['log-level'] ?? 'info' };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/main.ts', 'serve', ...args], {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const ready = new Promise<{ listen: string; file: string }>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      said.push(`${line}\n`);
      const fields = JSON.parse(line) as { msg?: string; listen: string; file: string };
      if (fields.msg === 'The proxy is ready') resolve(fields);
    });
  });
  const failed = exited.then(([code]) => Promise.reject(new StartFailed(code, said.join(''))));
  failed.catch(() => undefined);
  const { listen, file } = await Promise.race([ready, failed]);
  const place = parseAuthority(listen);
  const ca = await readFile(file, 'utf8');
  return {
    process: child,
    place,
    way: { proxy: place, ca: [ca, ...options.registries.map((registry) => registry.ca)] },
    output: () => said.join(''),
    end: async (signal) => {
      child.kill(signal);
      const [code, by] = await exited;
      return code ?? by ?? 'SIGKILL';
    },
  };
}
