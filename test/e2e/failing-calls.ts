import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/** A system call that is to fail in a running process: the N-th of its kind, once. */
export interface FailingCall {
  readonly call: string;
  readonly error: string;
  readonly when: number;
}

/**
 * Does something while a process is watched by strace, which makes one of its system calls fail. Gives whether that
 * call was made at all.
 */
export async function whileFailing(pid: number, failing: FailingCall, action: () => Promise<void>): Promise<boolean> {
  const { call, error, when } = failing;
  const inject = `inject=${call}:error=${error}:when=${when}`;
  const strace: ChildProcessByStdio<null, null, Readable> = spawn(
    'strace',
    ['-f', '-p', String(pid), '-e', `trace=${call}`, '-e', inject],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let said = '';
  strace.stderr.setEncoding('utf8');
  const attached = new Promise<void>((resolve, reject) => {
    strace.stderr.on('data', (text: string) => {
      said += text;
      if (/attached/.test(said)) resolve();
    });
    strace.once('error', reject);
    strace.once('exit', () => reject(new Error(`strace did not attach: ${said}`)));
  });
  const exited = once(strace, 'exit');
  await attached;
  try {
    await action();
  } finally {
    strace.kill('SIGINT');
    await exited;
  }
  return said.includes('(INJECTED)');
}
