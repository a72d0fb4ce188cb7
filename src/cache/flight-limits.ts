const MIB = 1024 * 1024;

/**
 * How much of a whole body is held back until its digest is known, so that no client can take a wrong body for a
 * right one: the last 16 KiB, or all of it where it is smaller.
 */
export const HOLD_BACK_BYTES = 16 * 1024;

/** How many ranges far ahead of one flight may be passed through beside it. */
export const BYPASS_PLACES = 2;

/** How often and how long a flight tries to go on when its upstream breaks off in the middle. */
export interface ResumeLimits {
  /** Tries in a row that bring less than `resumeProgressBytes` between them. */
  readonly resumeAttempts: number;
  /** This much more of the body, and the count begins anew. */
  readonly resumeProgressBytes: number;
  /** The wait before the second try; it doubles with each further one. The first comes at once. */
  readonly resumeDelayMs: number;
  /** No further try begins when this long has passed without progress. The most that a Retry-After can ask for, too. */
  readonly resumeGiveUpMs: number;
}

/** Bounds of what flights may hold in memory and how long they wait. */
export interface FlightLimits extends ResumeLimits {
  /** What is gathered, hashed and written at once. */
  readonly chunkBytes: number;
  /** Written bytes that one flight keeps in memory for followers that are close. */
  readonly ringBytes: number;
  /** The same for all flights together; each has an equal share, one chunk at least. */
  readonly sharedRingBytes: number;
  /** How far the disk may lag before the upstream waits for it, or the flight goes on without it. */
  readonly unwrittenBytes: number;
  /**
   * How long a byte may wait for the disk at that bound while a reader waits for more. With 16 MiB in one second, a disk
   * of more than 16 MiB/s paces the upstream where it is slower, and everything is stored; a slower one is left behind.
   */
  readonly lagMs: number;
  /** How far the upstream may run ahead of the slowest reader where bytes live in memory only. More than HOLD_BACK_BYTES. */
  readonly detachedBytes: number;
  /** How long a reader, or the disk, may hold the others up without any progress. */
  readonly stallMs: number;
  /** How long a flight that nobody reads waits for those who have joined it to take their reader. */
  readonly lingerMs: number;
}

export const FLIGHT_LIMITS: FlightLimits = {
  chunkBytes: MIB,
  ringBytes: 8 * MIB,
  sharedRingBytes: 64 * MIB,
  unwrittenBytes: 16 * MIB,
  lagMs: 1_000,
  detachedBytes: 8 * MIB,
  stallMs: 30_000,
  lingerMs: 5_000,
  resumeAttempts: 7,
  resumeProgressBytes: MIB / 4,
  resumeDelayMs: 300,
  resumeGiveUpMs: 60_000,
};
