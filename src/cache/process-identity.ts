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
    startedTicks: (await startedTicks(process.pid)) ?? '',
    bootId: (await textOf('/proc/sys/kernel/random/boot_id')).trim(),
    pidNamespace: await fs.readlink('/proc/self/ns/pid').catch(() => ''),
  };
}

/** Says whether the process of an identity that was written down earlier still runs on this machine. */
export async function livenessOf(other: ProcessIdentity, own: ProcessIdentity): Promise<Liveness> {
  if (other.bootId !== own.bootId) return 'dead';
  if (other.pidNamespace !== own.pidNamespace) return 'unknown';
  if (!signalReaches(other.pid)) return 'dead';
  const ticks = await startedTicks(other.pid);
  if (ticks === undefined || other.startedTicks === '') return 'alive';
  return ticks === other.startedTicks ? 'alive' : 'dead';
}

function signalReaches(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces and brackets, so counting begins behind it. */
async function startedTicks(pid: number): Promise<string | undefined> {
  const stat = await textOf(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' ? undefined : fields[19];
}

function textOf(path: string): Promise<string> {
  return fs.readFile(path, 'utf8').catch(() => '');
}
