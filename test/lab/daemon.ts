import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that runs until it is stopped. */
export interface Daemon {
  readonly pid: number;
  /** Standard output and standard error so far. */
  output(): Promise<string>;
  /** Sends SIGTERM, after ten seconds SIGKILL, and waits for the end. Gives the exit code, null after a signal. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: boolean;
}

export interface DaemonOptions {
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Answers true once the program does its work; asked every 50 ms, or as often as `everyMs` says, for at most 30 s. */
  ready(): Promise<boolean>;
  readonly everyMs?: number;
}

/** Starts a program and waits until it is ready. One that ends before, or never gets ready, throws with its output. */
export async function startDaemon(program: string, args: readonly string[], options: DaemonOptions): Promise<Daemon> {
  const log = openSync(options.logFile, 'a');
  const env = { ...process.env, ...options.env };
  const child = spawn(program, args, { stdio: ['ignore', log, log], env, cwd: options.cwd });
  closeSync(log);
  let exited = false;
  // A program that is not installed gives an error in the place of an end.
  const ended = once(child, 'exit').catch(() => undefined);
  const watch = async (): Promise<void> => {
    await ended;
    exited = true;
  };
  void watch();

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!exited) {
      child.kill(signal);
      const deadline = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(deadline);
    }
    return child.exitCode;
  }

  const daemon: Daemon = {
    pid: child.pid ?? -1,
    output: () => readFile(options.logFile, 'utf8'),
    stop,
    get exited() {
      return exited;
    },
  };
  const giveUpAt = Date.now() + 30_000;
  while (!(await options.ready())) {
    if (exited || Date.now() > giveUpAt) {
      await stop();
      throw new Error(`${program} ${args.join(' ')} did not get ready:\n${await daemon.output()}`);
    }
    await sleep(options.everyMs ?? 50);
  }
  return daemon;
}

/** True if something accepts TCP connections there. */
export function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
