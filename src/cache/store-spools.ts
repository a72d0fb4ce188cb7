import { ProxyError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { commitContent } from './commit-content.js';
import { newSpoolPath, spoolFolder } from './content-paths.js';
import type { CacheStore, Entry, KeptSpool, Spool } from './contract.js';
import type { DataFolder } from './data-folder.js';
import type { Entries } from './entries.js';
import { NO_ROOM } from './evictor.js';
import type { FaultBoard } from './fault-board.js';
import { discardFile, errorCode, type FileSystem, storeFault } from './file-system.js';
import { keptStem } from './kept-names.js';
import type { KeptSpools } from './kept-spools.js';
import type { KeyedQueue } from './keyed-queue.js';
import type { OpenSpools, Reservation } from './open-spools.js';
import { type FinishedSpool, KEPT_LEAST_BYTES, openKeptSpool, openSpool, type SpoolOptions } from './spool-file.js';
import type { StoreRoom } from './store-room.js';

/** Room is asked for in such steps where nobody knows how long a body is. */
const ROOM_STEP_BYTES = 64 * 1024 * 1024;

interface Options {
  readonly folder: DataFolder;
  readonly files: FileSystem;
  readonly entries: Entries;
  readonly turns: KeyedQueue;
  readonly faults: FaultBoard;
  readonly room: Pick<StoreRoom, 'reserve' | 'space'> & { readonly spools: Pick<OpenSpools, 'delete'> };
  readonly kept: KeptSpools;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly onCommitted: (entry: Entry) => void;
}

/** Opens spools, and makes entries of those that are committed. Rejects with a `store` fault, which is reported. */
export function createSpools(options: Options): Required<Pick<CacheStore, 'createSpool' | 'takeKept'>> {
  const { folder, files, entries, turns, faults, room, kept, now, onCommitted } = options;
  const { directory } = folder;

  /** A spool of a scope is written under a name that says whose it is, so that even a kill leaves it to the next one. */
  function spoolOptions(
    expectedBytes: number | undefined,
    digest: Digest | undefined,
    scope: string | undefined,
  ): SpoolOptions {
    const spool = { files, commit, onFault: report };
    const isSmall = expectedBytes !== undefined && expectedBytes <= KEPT_LEAST_BYTES;
    if (digest === undefined || scope === undefined || isSmall) return { ...spool, path: newSpoolPath(directory) };
    const path = kept.newPath(keptStem(digest, scope), expectedBytes);
    return { ...spool, path, keeper: kept.keeperOf(path) };
  }

  async function newSpool(spool: SpoolOptions, reservation: Reservation): Promise<Spool> {
    const { path } = spool;
    // Known before it is there, so that nobody counts its bytes twice.
    reservation.file = path;
    try {
      return await openSpool(spool);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error;
    }
    await files.makeFolder(spoolFolder(directory));
    return openSpool(spool);
  }

  async function reserve(bytes: number, digest: Digest | undefined): Promise<Reservation> {
    let reserved = await room.reserve(bytes, digest);
    // Beginnings that nobody asks for are the first to go.
    if (reserved === NO_ROOM && (await kept.clear()) > 0) reserved = await room.reserve(bytes, digest);
    if (typeof reserved !== 'string') return reserved;
    const fault = new ProxyError('store', `${directory} has no room for ${bytes} bytes: ${reserved}`);
    // Not to fit into the budget is no fault of the disk; to be full with nothing to evict is one.
    if (reserved === NO_ROOM && room.space !== undefined && room.space.diskRoomBytes < bytes) report(fault);
    throw fault;
  }

  /** The spool with its room: more is asked for when it gets longer than was told, and all is given back at its end. */
  function inItsRoom(spool: Spool, reservation: Reservation): Required<Spool> {
    reservation.writtenBytes = () => spool.writtenBytes;
    const giveBack = (): void => room.spools.delete(reservation);

    async function append(bytes: Uint8Array): Promise<void> {
      if (spool.writtenBytes + bytes.byteLength > reservation.bytes) {
        const more = await reserve(Math.max(ROOM_STEP_BYTES, bytes.byteLength), undefined);
        reservation.bytes += more.bytes;
        room.spools.delete(more);
      }
      return spool.append(bytes);
    }

    return {
      get writtenBytes() {
        return spool.writtenBytes;
      },
      append,
      read: (into, offset) => spool.read(into, offset),
      async commit(digest, mediaType) {
        const entry = await spool.commit(digest, mediaType);
        giveBack();
        return entry;
      },
      async close() {
        await spool.close();
        giveBack();
      },
      async keep() {
        await (spool.keep ? spool.keep() : spool.close());
        giveBack();
      },
    };
  }

  function commit(spool: FinishedSpool, digest: Digest, mediaType: string | undefined): Promise<Entry> {
    return turns.run(digest, async () => {
      try {
        const description = { digest, mediaType, storedAt: now() };
        const sums = await commitContent(files, folder, spool, description);
        const entry = { digest, sizeBytes: sums.sizeBytes, mediaType: sums.mediaType, storedAt: sums.storedAt };
        await entries.remember(entry);
        faults.clear('writing');
        onCommitted(entry);
        return entry;
      } catch (error) {
        throw failed('commit content', error);
      }
    });
  }

  function failed(doing: string, error: unknown): ProxyError {
    const fault = storeFault(doing, error);
    report(fault);
    return fault;
  }

  function report(fault: ProxyError): void {
    faults.report('writing', fault);
  }

  async function createSpool(expectedBytes: number | undefined, digest?: Digest, scope?: string): Promise<Spool> {
    const reservation = await reserve(expectedBytes ?? 0, digest);
    try {
      return inItsRoom(await newSpool(spoolOptions(expectedBytes, digest, scope), reservation), reservation);
    } catch (error) {
      room.spools.delete(reservation);
      throw failed('begin a spool', error);
    }
  }

  async function takeKept(digest: Digest, scope: string): Promise<KeptSpool | undefined> {
    const prefix = await kept.take(keptStem(digest, scope));
    if (prefix === undefined) return undefined;
    const { path, sizeBytes, expectedBytes } = prefix;
    const reservation = await reserve(Math.max(0, (expectedBytes ?? 0) - sizeBytes), digest).catch(() => undefined);
    const keeper = kept.keeperOf(path);
    try {
      if (reservation === undefined) throw new ProxyError('store', 'there is no room for the rest');
      reservation.file = path;
      reservation.bytes += sizeBytes;
      const spool = await openKeptSpool({ files, path, commit, onFault: report, keeper }, prefix);
      const replay = (take: (bytes: Uint8Array) => void): Promise<void> => spool.replay(take);
      return Object.assign(inItsRoom(spool, reservation), { expectedBytes, replay });
    } catch {
      if (reservation !== undefined) room.spools.delete(reservation);
      await discardFile(files, path);
      await keeper.forget();
      return undefined;
    }
  }

  return { createSpool, takeKept };
}
