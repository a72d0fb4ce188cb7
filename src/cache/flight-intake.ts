import { createHash, type Hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import type { KeptSpool } from './contract.js';
import { FlightSpool, type FlightSpoolEvents } from './flight-spool.js';
import { type Chunk, type ChunkMemory, FlightWindow } from './flight-window.js';

/** What a flight has of its body: the newest bytes in memory, all of them in the spool, and the digest so far. */
export class FlightIntake {
  readonly window: FlightWindow;
  readonly spool: FlightSpool;
  readonly #digest: Digest;
  readonly #hash: Hash;

  constructor(digest: Digest, memory: ChunkMemory, events: FlightSpoolEvents) {
    this.window = new FlightWindow(memory);
    this.spool = new FlightSpool(events);
    this.#digest = digest;
    this.#hash = createHash(digestAlgorithm(digest));
  }

  /** Takes the next bytes of the body; `sizeBytes` is its whole length, where it is known. */
  take(bytes: Uint8Array, sizeBytes: number | undefined): void {
    this.window.push(bytes, sizeBytes, (chunk) => this.#takeChunk(chunk));
  }

  /** Takes what was kept of an earlier download, which is the spool now, as if it had just come; `onTaken` after each step. */
  replay(kept: KeptSpool, onTaken: () => void): Promise<void> {
    return kept.replay((bytes) => {
      this.#hash.update(bytes);
      this.window.pass(bytes.byteLength);
      onTaken();
    });
  }

  /** Whether the bytes so far have the digest. More may be taken afterwards. */
  matches(): boolean {
    const hash = this.#hash.copy();
    const rest = this.window.partial;
    if (rest !== undefined) hash.update(rest.bytes);
    return hash.digest('hex') === digestHex(this.#digest);
  }

  /** The body has ended: what is left in memory goes to the spool, too. */
  finish(): void {
    const rest = this.window.partial;
    if (rest !== undefined) this.#takeChunk(rest);
  }

  /** Lets go of memory and file; with `keep`, the file waits for the next download. Never rejects. */
  close(keep: boolean): Promise<void> {
    this.window.clear();
    return this.spool.close(keep);
  }

  #takeChunk(chunk: Chunk): void {
    this.#hash.update(chunk.bytes);
    this.spool.append(chunk);
  }
}
