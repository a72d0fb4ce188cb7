import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { PACKAGE_ROOT } from '../../src/config/paths.js';
import { parseAuthority } from '../../src/net/authority.js';
import type { FakeRegistry } from '../support/fake-registry.js';
import type { Way } from '../support/pull.js';
import { proxyFlags } from '../support/start-proxy.js';

/** The built program in a process of its own, from the moment it is started. */
export interface CrashProxy {
  readonly process: ChildProcess;
  /** Resolves when it serves; rejects where it ends before. */
  readonly ready: Promise<{ readonly way: Way; readonly startMs: number }>;
  /** Kills it, at whatever it is doing. */
  kill(): Promise<void>;
}

export async function startCrashProxy(program: string, folder: string, registry: FakeRegistry): Promise<CrashProxy> {
  const flags = { ...(await proxyFlags(folder, { registries: [registry] })), 'log-level': 'info' };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
  const startedAt = performance.now();
  const child = spawn(process.execPath, [program, 'serve', ...args], {
    cwd: PACKAGE_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  const exited = once(child, 'exit') as Promise<unknown[]>;
  const announced = new Promise<{ readonly listen: string; readonly file: string }>((resolve) => {
    createInterface(child.stdout).on('line', (line) => {
      const fields = JSON.parse(line) as { msg?: string; listen: string; file: string; error?: string };
      if (fields.error !== undefined) said.push(`${line}\n`);
      if (fields.msg === 'The proxy is ready') resolve(fields);
    });
  });
  const ready = whenReady();
  // Whoever kills it before it is ready doesn't wait for that.
  ready.catch(() => {});
  return {
    process: child,
    ready,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };

  async function whenReady(): Promise<{ readonly way: Way; readonly startMs: number }> {
    const found = await Promise.race([announced, exited]);
    if (Array.isArray(found)) throw new Error(`the proxy ended with ${String(found[0])}: ${said.join('')}`);
    const startMs = performance.now() - startedAt;
    const ca = [await readFile(found.file, 'utf8'), registry.ca];
    return { way: { proxy: parseAuthority(found.listen), ca }, startMs };
  }
}
