import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** The kernel's clock ticks a second, as /proc counts CPU time on every Linux that Debian and Ubuntu ship. */
const TICKS = 100;

/** The processes themselves and all below them that live now. */
function treeOf(pids: readonly number[]): number[] {
  const found: number[] = [];
  for (const pid of pids) {
    const children = childrenOf(pid);
    found.push(pid, ...treeOf(children));
  }
  return found;
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    return tasks.flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** User and system time of the process trees so far, in seconds, children that have ended included; resolution 10 ms a process. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of treeOf(pids)) {
    const stat = read(`/proc/${pid}/stat`);
    // The name, in parentheses, may hold anything; utime is the 14th field, cstime the 17th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    for (const field of fields.slice(11, 15)) ticks += Number(field);
  }
  return ticks / TICKS;
}

/** The most memory that the trees' processes have held since the last reset, added up, in bytes. */
export function peakBytes(pids: readonly number[]): number {
  return memory(pids, 'VmHWM');
}

/** What the trees' processes hold now, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  return memory(pids, 'VmRSS');
}

export function resetPeak(pids: readonly number[]): void {
  for (const pid of treeOf(pids)) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // Ended meanwhile, or another user's: then the peak is that since its start.
    }
  }
}

function memory(pids: readonly number[], field: 'VmHWM' | 'VmRSS'): number {
  let kib = 0;
  for (const pid of treeOf(pids)) {
    kib += Number(new RegExp(`${field}:\\s+(\\d+)`).exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
  }
  return kib * 1024;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
