import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import { type FileSystem, nodeFileSystem } from '../../src/cache/file-system.js';

/** One change to the disk, in the order in which it was asked for. */
export type Change =
  | { readonly kind: 'create'; readonly file: string }
  | { readonly kind: 'write'; readonly file: string; readonly bytes: Buffer; readonly offset: number }
  | { readonly kind: 'sync'; readonly file: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly file: string }
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'sync-folder'; readonly folder: string };

/** The real file system, and a list of every change that went through it. Paths are relative to `root`. */
export function recordedFiles(root: string): { readonly files: FileSystem; readonly changes: Change[] } {
  const changes: Change[] = [];
  const names = new Map<number, string>();
  const inside = (file: string): string => path.relative(root, file);
  const files: FileSystem = {
    ...nodeFileSystem,
    async open(file, flags) {
      const fd = await nodeFileSystem.open(file, flags);
      names.set(fd, inside(file));
      if ((flags & constants.O_CREAT) !== 0) changes.push({ kind: 'create', file: inside(file) });
      return fd;
    },
    async writeAt(fd, bytes, offset) {
      changes.push({ kind: 'write', file: names.get(fd) ?? '', bytes: Buffer.from(bytes), offset });
      await nodeFileSystem.writeAt(fd, bytes, offset);
    },
    async dataSync(fd) {
      await nodeFileSystem.dataSync(fd);
      changes.push({ kind: 'sync', file: names.get(fd) ?? '' });
    },
    async rename(from, to) {
      await nodeFileSystem.rename(from, to);
      changes.push({ kind: 'rename', from: inside(from), to: inside(to) });
      for (const [fd, name] of names) if (name === inside(from)) names.set(fd, inside(to));
    },
    async unlink(file) {
      await nodeFileSystem.unlink(file);
      changes.push({ kind: 'unlink', file: inside(file) });
    },
    async makeFolder(folder) {
      await nodeFileSystem.makeFolder(folder);
      changes.push({ kind: 'folder', folder: inside(folder) });
    },
    async syncFolder(folder) {
      await nodeFileSystem.syncFolder(folder);
      changes.push({ kind: 'sync-folder', folder: inside(folder) });
    },
  };
  return { files, changes };
}

/** What a power loss may do to bytes that were not synced. */
export const DATA_FATES = ['kept', 'halved', 'lost'] as const;
/** What it may do to names that were not synced with their folder. */
export const NAME_FATES = ['kept', 'lost'] as const;

export interface CrashState {
  /** How many changes had happened. */
  readonly changes: number;
  readonly data: (typeof DATA_FATES)[number];
  readonly names: (typeof NAME_FATES)[number];
}

/** Every state that a crash may leave: each prefix of the changes, with each fate of what was not synced. */
export function crashStates(changes: readonly Change[]): readonly CrashState[] {
  const prefixes = Array.from({ length: changes.length + 1 }, (_, n) => n);
  return prefixes.flatMap((n) =>
    DATA_FATES.flatMap((data) => NAME_FATES.map((names) => ({ changes: n, data, names }))),
  );
}

interface Model {
  bytes: Buffer;
  syncedBytes: number;
}

/** Brings a folder that lies as before the changes into the state that a crash leaves. */
export async function applyCrash(root: string, changes: readonly Change[], state: CrashState): Promise<void> {
  const happened = changes.slice(0, state.changes);
  const models = new Map<string, Model>();
  for (const [n, change] of happened.entries()) {
    if (change.kind === 'folder') await fs.mkdir(path.join(root, change.folder), { recursive: true });
    if (isUnsyncedName(happened, n) && state.names === 'lost') continue;
    await applyChange(root, change, models);
  }
  for (const [file, { bytes, syncedBytes }] of models) {
    const unsynced = bytes.length - syncedBytes;
    const keptBytes = { kept: bytes.length, halved: syncedBytes + (unsynced >> 1), lost: syncedBytes }[state.data];
    await fs.writeFile(path.join(root, file), bytes.subarray(0, keptBytes)).catch(() => {});
  }
}

async function applyChange(root: string, change: Change, models: Map<string, Model>): Promise<void> {
  switch (change.kind) {
    case 'create':
      models.set(change.file, { bytes: Buffer.alloc(0), syncedBytes: 0 });
      return;
    case 'write': {
      const model = models.get(change.file);
      if (model === undefined) return;
      const grown = Buffer.alloc(Math.max(model.bytes.length, change.offset + change.bytes.length));
      model.bytes.copy(grown);
      change.bytes.copy(grown, change.offset);
      model.bytes = grown;
      return;
    }
    case 'sync': {
      const model = models.get(change.file);
      if (model !== undefined) model.syncedBytes = model.bytes.length;
      return;
    }
    case 'rename': {
      const model = models.get(change.from);
      models.delete(change.from);
      models.delete(change.to);
      if (model !== undefined) models.set(change.to, model);
      else await fs.rename(path.join(root, change.from), path.join(root, change.to)).catch(() => {});
      return;
    }
    case 'unlink':
      models.delete(change.file);
      await fs.rm(path.join(root, change.file), { force: true });
      return;
    default:
      return;
  }
}

/** A rename or a removal counts for certain when its folder was synced after it. */
function isUnsyncedName(changes: readonly Change[], n: number): boolean {
  const change = changes[n];
  if (change?.kind !== 'rename' && change?.kind !== 'unlink') return false;
  const folder = path.dirname(change.kind === 'rename' ? change.to : change.file);
  return !changes.slice(n).some((later) => later.kind === 'sync-folder' && later.folder === folder);
}
