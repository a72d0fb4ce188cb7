import fs from 'node:fs/promises';

/** What tells one process from another that later got the same number. Empty strings where the system has no /proc. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between the machine's start and the process's. */
  readonly startedTicks: string;
  readonly bootId: string;
  /** The namespace that the pid counts in: containers have their own. */
  readonly pidNamespace: string;
}

/** `unknown`: the pid belongs to another namespace, so nothing can be said from here. */
export type Liveness = 'alive' | 'dead' | 'unknown';

export async function ownIdentity(): Promise<ProcessIdentity> {
  return {
    pid: process.pid,
    startedTicks: (await statOf(process.pid))?.startedTicks ?? '',
    bootId: (await textOf('/proc/sys/kernel/random/boot_id')).trim(),
    pidNamespace: await fs.readlink('/proc/self/ns/pid').catch(() => ''),
  };
}

/** Says whether the process of an identity that was written down earlier still runs on this machine. */
export async function livenessOf(other: ProcessIdentity, own: ProcessIdentity): Promise<Liveness> {
  if (other.bootId !== own.bootId) return 'dead';
  if (other.pidNamespace !== own.pidNamespace) return 'unknown';
  if (!signalReaches(other.pid)) return 'dead';
  const stat = await statOf(other.pid);
  if (stat?.hasEnded === true) return 'dead';
  if (stat === undefined || other.startedTicks === '') return 'alive';
  return stat.startedTicks === other.startedTicks ? 'alive' : 'dead';
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

interface ProcessStat {
  readonly startedTicks: string;
  /** Whether it only waits for its parent to ask for its end, which some first processes of containers never do. */
  readonly hasEnded: boolean;
}

/**
 * Fields 3, 20 and 22 of /proc/<pid>/stat; the name in field 2 may hold spaces and brackets, so counting begins behind
 * it. A thread may outlive the first one for a moment, and write.
 */
async function statOf(pid: number): Promise<ProcessStat | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, startedTicks = ''] = [fields[0], fields[17], fields[19]];
  return stat === '' ? undefined : { startedTicks, hasEnded: state === 'Z' && Number(threads) <= 1 };
}

function textOf(path: string): Promise<string> {
  return fs.readFile(path, 'utf8').catch(() => '');
}
