const MIB = 1024 * 1024;

/** What is encrypted and waits for clients to take it, for all of them together. */
const ENCRYPTED_BYTES = 16 * MIB;
/** Larger writes save no more CPU. */
const MOST_BYTES = MIB;
/** Smaller ones cost much more of it. */
const LEAST_BYTES = 64 * 1024;

/**
 * How many bytes of a body are handed to a client's connection at once while so many exchanges are under way. TLS
 * encrypts a write whole and keeps it until the client has taken it all: a client that stalls keeps that much memory.
 */
export function writeBytesFor(exchanges: number): number {
  const share = Math.floor(ENCRYPTED_BYTES / Math.max(1, exchanges));
  return Math.max(LEAST_BYTES, Math.min(MOST_BYTES, share - (share % LEAST_BYTES)));
}
