import { underStrace } from './strace.js';

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
  const said = await underStrace(pid, ['-e', `trace=${call}`, '-e', inject], action);
  return said.includes('(INJECTED)');
}
