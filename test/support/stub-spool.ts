import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CacheStore, Entry, Spool } from '../../src/cache/contract.js';
import type { Digest } from '../../src/oci/digest.js';

/** A store that knows nothing but spools: real files, with every step open to the test. */
export interface StubStore extends Pick<CacheStore, 'createSpool'> {
  readonly committed: readonly {
    readonly digest: Digest;
    readonly bytes: Buffer;
    readonly mediaType: string | undefined;
  }[];
  /** Spools whose file is open now. */
  readonly openSpools: number;
  /** Spools that were ever made. */
  readonly createdSpools: number;
  /** Removes all files. */
  remove(): void;
}

export interface StubSpoolHooks {
  beforeCreate?(): Promise<void> | void;
  /** Called with the number of the append (0 for the first); a throw or rejection is the disk's fault. */
  beforeAppend?(count: number): Promise<void> | void;
  beforeRead?(offset: number): Promise<void> | void;
  beforeCommit?(): Promise<void> | void;
}

/** Makes a store whose spools lie in a folder of their own under the system's temporary folder. */
export function createStubStore(hooks: StubSpoolHooks = {}): StubStore {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'entrepot-stub-'));
  const committed: { digest: Digest; bytes: Buffer; mediaType: string | undefined }[] = [];
  let made = 0;
  let openSpools = 0;

  async function createSpool(): Promise<Spool> {
    await hooks.beforeCreate?.();
    made += 1;
    const file = openSync(path.join(folder, String(made)), 'wx+');
    openSpools += 1;
    let writtenBytes = 0;
    let appends = 0;
    let appending = false;
    let closed = false;

    function mustBeOpen(): void {
      if (closed) throw new Error('the stub spool is closed');
    }

    return {
      get writtenBytes() {
        return writtenBytes;
      },
      async append(bytes) {
        mustBeOpen();
        if (appending) throw new Error('two appends at once');
        appending = true;
        try {
          await hooks.beforeAppend?.(appends++);
          mustBeOpen();
          writtenBytes += writeSync(file, bytes, 0, bytes.length, writtenBytes);
        } finally {
          appending = false;
        }
      },
      async read(into, offset) {
        mustBeOpen();
        await hooks.beforeRead?.(offset);
        mustBeOpen();
        return readSync(file, into, 0, Math.min(into.length, writtenBytes - offset), offset);
      },
      async commit(digest, mediaType): Promise<Entry> {
        mustBeOpen();
        await hooks.beforeCommit?.();
        mustBeOpen();
        const bytes = Buffer.alloc(writtenBytes);
        readSync(file, bytes, 0, writtenBytes, 0);
        committed.push({ digest, bytes, mediaType });
        return { digest, sizeBytes: writtenBytes, mediaType, storedAt: Date.now() };
      },
      async close() {
        if (closed) return;
        closed = true;
        openSpools -= 1;
        ftruncateSync(file, 0);
        closeSync(file);
      },
    };
  }

  return {
    createSpool,
    committed,
    get openSpools() {
      return openSpools;
    },
    get createdSpools() {
      return made;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
