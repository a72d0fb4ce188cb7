import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/**
 * Runs a program to its end and gives what it wrote to standard output. An exit code other than 0, or a program that
 * is not installed, throws an Error that carries the command line and everything the program said.
 */
export async function run(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  try {
    const running = execFileAsync(program, [...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      maxBuffer: 64 * 1024 * 1024,
    });
    running.child.stdin?.end();
    return (await running).stdout;
  } catch (error) {
    const { message, stdout = '' } = error as Error & { stdout?: string };
    throw new Error(`${message}\n${stdout}`, { cause: error });
  }
}
