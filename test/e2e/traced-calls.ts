import fs from 'node:fs/promises';
import path from 'node:path';
import { underStrace } from './strace.js';

/** One system call that changed a folder, in the order in which they came back. Paths are relative to the folder. */
export type TracedCall =
  | { readonly kind: 'create'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly bytes: Buffer; readonly offset: number | undefined }
  | { readonly kind: 'truncate'; readonly file: string; readonly sizeBytes: number }
  /** Of a file or a folder; `covers` is the number of calls that had come back when it was made. */
  | { readonly kind: 'sync'; readonly file: string; readonly covers: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly file: string }
  | { readonly kind: 'folder'; readonly file: string };

/** Every call that changes names or bytes; one that is not listed must not be made by the store. */
const CALLS =
  'pwrite64,write,pwritev,pwritev2,writev,ftruncate,fallocate,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,openat,mkdir,mkdirat,link,linkat,copy_file_range,sendfile';

/** Does something while strace watches a process, and gives what it wrote down. */
export async function traceCalls(pid: number, file: string, action: () => Promise<void>): Promise<string> {
  await underStrace(pid, ['-y', '-xx', '-s', '10000000', '-o', file, '-e', `trace=${CALLS}`], action);
  return fs.readFile(file, 'latin1');
}

/** Reads a trace. Throws where a call changed the folder in a way that is not known here. */
export function readTrace(trace: string, root: string): TracedCall[] {
  const calls: TracedCall[] = [];
  const begun = new Map<string, { readonly text: string; readonly covers: number }>();
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (text.endsWith(' <unfinished ...>')) {
      begun.set(thread, { text: text.slice(0, -' <unfinished ...>'.length), covers: calls.length });
      continue;
    }
    const rest = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)?.[1];
    const beginning = begun.get(thread);
    begun.delete(thread);
    const whole = rest === undefined ? text : `${beginning?.text ?? ''}${rest}`;
    const covers = rest === undefined ? calls.length : (beginning?.covers ?? 0);
    const call = readCall(whole, root, covers);
    if (call !== undefined) calls.push(call);
  }
  return calls;
}

function readCall(text: string, root: string, covers: number): TracedCall | undefined {
  const [, name = '', args = '', result = ''] = /^(\w+)\((.*)\)\s+=\s+(-?\d+)/.exec(text) ?? [];
  if (name === '' || result.startsWith('-')) return undefined;
  const names = [...args.matchAll(/[<"]((?:\\x[0-9a-f]{2})*)[>"]/g)].map(([, hex = '']) => unhex(hex));
  const inside = (file: Buffer | undefined): string => path.relative(root, String(file ?? ''));
  const [first, second] = names;
  const isOurs = names.some((one) => one.length < 4096 && one.toString().startsWith(`${root}/`));
  const isRoot = first?.toString() === root;
  const numbers = args
    .replace(/[<"](?:\\x[0-9a-f]{2})*[>"]/g, '')
    .split(',')
    .map((one) => one.trim());
  if (name === 'fsync' || name === 'fdatasync')
    return isOurs || isRoot ? { kind: 'sync', file: inside(first), covers } : undefined;
  if (!isOurs) return undefined;
  switch (name) {
    case 'write':
    case 'pwrite64': {
      const bytes = second?.subarray(0, Number(result)) ?? Buffer.alloc(0);
      return { kind: 'write', file: inside(first), bytes, offset: name === 'write' ? undefined : Number(numbers[3]) };
    }
    case 'ftruncate':
      return { kind: 'truncate', file: inside(first), sizeBytes: Number(numbers[1]) };
    case 'openat':
      return args.includes('O_CREAT') ? { kind: 'create', file: inside(second) } : undefined;
    case 'rename':
      return { kind: 'rename', from: inside(first), to: inside(second) };
    case 'unlink':
      return { kind: 'unlink', file: inside(first) };
    case 'mkdir':
      return { kind: 'folder', file: inside(first) };
    default:
      throw new Error(`a call that nobody foresaw: ${text.slice(0, 200)}`);
  }
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}

export interface PowerLoss {
  /** How many calls had come back. */
  readonly calls: number;
  /** What became of bytes that were not synced. */
  readonly data: 'kept' | 'halved' | 'lost';
  /** What became of names that were not synced with their folder. */
  readonly names: 'kept' | 'lost';
}

/** Every prefix of the calls, with each fate of what was not synced. */
export function powerLosses(calls: readonly TracedCall[]): PowerLoss[] {
  const prefixes = Array.from({ length: calls.length + 1 }, (_, n) => n);
  return prefixes.flatMap((n) =>
    (['kept', 'halved', 'lost'] as const).flatMap((data) =>
      (['kept', 'lost'] as const).map((names) => ({ calls: n, data, names })),
    ),
  );
}

interface Pending {
  readonly at: number;
  readonly call: TracedCall & { readonly kind: 'write' | 'truncate' };
}

/** A file as it is on the disk for certain, and what was done to it since. */
interface Replayed {
  durable: Buffer;
  pending: Pending[];
}

/** Brings a folder that lies as before the calls into the state that a loss of power leaves. */
export async function losePower(root: string, calls: readonly TracedCall[], loss: PowerLoss): Promise<void> {
  const happened = calls.slice(0, loss.calls);
  const files = new Map<string, Replayed>();
  const replayed = async (file: string): Promise<Replayed> => {
    const known = files.get(file);
    if (known !== undefined) return known;
    const fresh = { durable: await fs.readFile(path.join(root, file)).catch(() => Buffer.alloc(0)), pending: [] };
    files.set(file, fresh);
    return fresh;
  };
  for (const [at, call] of happened.entries()) {
    if (isUnsyncedName(happened, at) && loss.names === 'lost') continue;
    if (call.kind === 'folder') await fs.mkdir(path.join(root, call.file), { recursive: true });
    if (call.kind === 'create') await replayed(call.file);
    if (call.kind === 'write' || call.kind === 'truncate') (await replayed(call.file)).pending.push({ at, call });
    if (call.kind === 'sync') settle(files.get(call.file), call.covers);
    if (call.kind === 'unlink') {
      files.delete(call.file);
      await fs.rm(path.join(root, call.file), { force: true });
    }
    if (call.kind === 'rename') {
      const moved = await replayed(call.from);
      files.delete(call.from);
      files.set(call.to, moved);
      await fs.rm(path.join(root, call.from), { force: true });
    }
  }
  for (const [file, { durable, pending }] of files) {
    const half = pending.length >> 1;
    const whole = { kept: pending.length, halved: half, lost: 0 }[loss.data];
    let bytes = pending.slice(0, whole).reduce((before, { call }) => changed(before, call), durable);
    const torn = loss.data === 'halved' ? pending[half]?.call : undefined;
    if (torn?.kind === 'write')
      bytes = changed(bytes, { ...torn, bytes: torn.bytes.subarray(0, torn.bytes.length >> 1) });
    await fs.writeFile(path.join(root, file), bytes);
  }
}

function settle(file: Replayed | undefined, covers: number): void {
  if (file === undefined) return;
  for (const { at, call } of file.pending) if (at < covers) file.durable = changed(file.durable, call);
  file.pending = file.pending.filter(({ at }) => at >= covers);
}

function changed(before: Buffer, call: Pending['call']): Buffer {
  if (call.kind === 'truncate') {
    const cut = Buffer.alloc(call.sizeBytes);
    before.copy(cut);
    return cut;
  }
  const offset = call.offset ?? before.length;
  const grown = Buffer.alloc(Math.max(before.length, offset + call.bytes.length));
  before.copy(grown);
  call.bytes.copy(grown, offset);
  return grown;
}

/** A rename or a removal counts for certain when its folder was synced after it. */
function isUnsyncedName(calls: readonly TracedCall[], at: number): boolean {
  const call = calls[at];
  if (call?.kind !== 'rename' && call?.kind !== 'unlink') return false;
  const name = path.dirname(call.kind === 'rename' ? call.to : call.file);
  const folder = name === '.' ? '' : name;
  return !calls.slice(at).some((later) => later.kind === 'sync' && later.file === folder && later.covers > at);
}
