import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/** Does something while strace watches a process and its threads; gives what strace wrote to standard error. */
export async function underStrace(
  pid: number,
  options: readonly string[],
  action: () => Promise<void>,
): Promise<string> {
  const strace: ChildProcessByStdio<null, null, Readable> = spawn('strace', ['-f', '-p', String(pid), ...options], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
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
  return said;
}
