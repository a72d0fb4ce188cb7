import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import { errorCode, folderFault } from './file-system.js';
import { livenessOf, ownIdentity, type ProcessIdentity } from './process-identity.js';

/** How often the holder touches the lock, for those that cannot see its process. */
const BEAT_MS = 2_000;
/** How long a lock of another container must lie untouched to count as left behind: two missed beats and some more. */
const WATCH_MS = 5_000;
const ATTEMPTS = 5;

/** The exclusive right to a data folder. */
export interface FolderLock {
  /** True where the previous holder died without giving the lock back. */
  readonly afterCrash: boolean;
  release(): Promise<void>;
}

/**
 * Takes `<directory>/lock`. A lock whose process is dead is taken over; one of another container, where pids say
 * nothing, is watched for 5 s first. Rejects with a `store` fault where a live process holds it.
 * `onCrash` runs before a lock is taken over, so that a second death in between forgets nothing.
 */
export async function takeLock(directory: string, onCrash: () => Promise<unknown>): Promise<FolderLock> {
  const lockPath = path.join(directory, 'lock');
  const own = await ownIdentity();
  const text = `${JSON.stringify(own)}\n`;
  let afterCrash = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (await createLock(lockPath, text)) return heldLock(lockPath, text, afterCrash);
    const found = await fs.readFile(lockPath, 'utf8').catch(() => undefined);
    if (found === undefined) continue;
    await refuseLive(directory, lockPath, found, own);
    await onCrash();
    afterCrash = true;
    await removeStale(directory, lockPath, found, own);
  }
  throw inUse(directory, 'other processes that are starting');
}

/** A link fails where the name is taken and never shows a half-written lock. */
async function createLock(lockPath: string, text: string): Promise<boolean> {
  const draft = `${lockPath}.${randomBytes(6).toString('hex')}`;
  try {
    await fs.writeFile(draft, text, { flag: 'wx', mode: 0o600, flush: true });
    await fs.link(draft, lockPath);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw folderFault(`write to the data folder (${draft})`, error);
  } finally {
    await fs.unlink(draft).catch(() => {});
  }
}

async function refuseLive(directory: string, lockPath: string, found: string, own: ProcessIdentity): Promise<void> {
  const holder = parseIdentity(found);
  if (holder === undefined) return;
  let liveness = await livenessOf(holder, own);
  if (liveness === 'unknown') liveness = (await beats(lockPath)) ? 'alive' : 'dead';
  if (liveness === 'alive') throw inUse(directory, `process ${holder.pid}`);
}

/** Watches for the holder's next touch. */
async function beats(lockPath: string): Promise<boolean> {
  const before = await fs.stat(lockPath).catch(() => undefined);
  const until = performance.now() + WATCH_MS;
  while (performance.now() < until) {
    await delay(250);
    const now = await fs.stat(lockPath).catch(() => undefined);
    if (now === undefined) return false;
    if (now.mtimeMs !== before?.mtimeMs) return true;
  }
  return false;
}

/**
 * Removes a dead process's lock, if it is still the one that was judged: another starter may have been quicker. Only one
 * at a time may look and remove, by a lock of its own that is held for as long; who comes second gives way.
 */
async function removeStale(directory: string, lockPath: string, judged: string, own: ProcessIdentity): Promise<void> {
  const turnPath = `${lockPath}.takeover`;
  if (!(await createLock(turnPath, `${JSON.stringify(own)}\n`))) {
    const turn = await fs.readFile(turnPath, 'utf8').catch(() => undefined);
    // Over already: what stands there now is to be judged anew.
    if (turn === undefined) return;
    const taker = parseIdentity(turn);
    const isDead = taker === undefined || (await livenessOf(taker, own)) === 'dead';
    if (!isDead) throw inUse(directory, 'other processes that are starting');
    await fs.unlink(turnPath).catch(() => {});
    return;
  }
  try {
    const found = await fs.readFile(lockPath, 'utf8').catch(() => undefined);
    if (found === judged) await fs.unlink(lockPath);
  } catch (error) {
    throw folderFault('take over the lock of the data folder', error);
  } finally {
    await fs.unlink(turnPath).catch(() => {});
  }
}

function heldLock(lockPath: string, text: string, afterCrash: boolean): FolderLock {
  const beat = setInterval(() => {
    const now = new Date();
    fs.utimes(lockPath, now, now).catch((error: unknown) => {
      // Somebody deleted it, with the folder perhaps: whoever looks for it now would take the folder for free.
      if (errorCode(error) === 'ENOENT') createLock(lockPath, text).catch(() => {});
    });
  }, BEAT_MS);
  beat.unref();
  return {
    afterCrash,
    async release() {
      clearInterval(beat);
      const found = await fs.readFile(lockPath, 'utf8').catch(() => undefined);
      if (found === text) await fs.unlink(lockPath).catch(() => {});
    },
  };
}

/** A lock that cannot be read was torn by a power loss: nobody holds it. */
function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const identity = value as ProcessIdentity;
    return typeof identity.pid === 'number' && typeof identity.bootId === 'string' ? identity : undefined;
  } catch {
    return undefined;
  }
}

function inUse(directory: string, holder: string): ProxyError {
  return new ProxyError(
    'store',
    `data folder ${directory} is in use by ${holder}; stop it, or choose another folder with --data-dir`,
  );
}
