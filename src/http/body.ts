/** Some bytes of a body. They stay valid until `release` is called, which must happen exactly once. */
export interface Piece {
  readonly bytes: Uint8Array;
  release(): void;
}

/** A body that can be read from any offset: a stored file, or one that is still arriving. */
export interface BodyReader {
  /** Whole length in bytes; undefined while an upstream that gave no Content-Length is still sending. */
  readonly sizeBytes: number | undefined;
  /**
   * Gives 1 to `maxBytes` bytes from `offset`, waiting for them where they are still to arrive; undefined at the end
   * of the body. Never gives a byte that the verification rules hold back. Rejects with a ProxyError when the bytes
   * will never come or are damaged.
   */
  read(offset: number, maxBytes: number): Promise<Piece | undefined>;
  /** All bytes, where they are checked and in memory for as long as somebody holds them; absent elsewhere. */
  readonly whole?: Uint8Array;
  /** Whether reading on while the last piece is on its way saves enough time to be worth its memory; not where absent. */
  readonly readsAhead?: boolean;
  /** Gives back what the reader holds. Safe to call more than once. */
  close(): void;
}
