import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface FolderHolder {
  readonly pid: number;
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
}

/** Starts test/support/folder-holder.ts and waits until it says that it is ready. */
export async function holdFolder(directory: string, how: string): Promise<FolderHolder> {
  const script = fileURLToPath(new URL('folder-holder.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import=tsx', script, directory, how], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), gone.then(() => refuse(child))]);
  return {
    pid: child.pid as number,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

function refuse(child: ChildProcess): never {
  throw new Error(`the holder ended with ${child.exitCode ?? child.signalCode} before it was ready`);
}
