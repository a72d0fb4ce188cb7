/** Room on the disk that a spool may fill. */
export interface Reservation {
  /** Bytes that may be written before more has to be asked for. */
  bytes: number;
  /** The spool's file, once there is one. */
  file?: string;
  /** Bytes written so far. */
  writtenBytes: () => number;
}

/** Spools that are open, and the room they were promised. */
export class OpenSpools {
  readonly #open = new Set<Reservation>();

  /** What the spools take or will take: at least what was promised. */
  get bytes(): number {
    return this.#sum(({ bytes, writtenBytes }) => Math.max(bytes, writtenBytes()));
  }

  /** What was promised and is not written yet. */
  get unwrittenBytes(): number {
    return this.#sum(({ bytes, writtenBytes }) => Math.max(0, bytes - writtenBytes()));
  }

  add(bytes: number): Reservation {
    const reservation = { bytes, writtenBytes: () => 0 };
    this.#open.add(reservation);
    return reservation;
  }

  delete(reservation: Reservation): void {
    this.#open.delete(reservation);
  }

  hasFile(file: string): boolean {
    for (const reservation of this.#open) if (reservation.file === file) return true;
    return false;
  }

  #sum(of: (reservation: Reservation) => number): number {
    let sum = 0;
    for (const reservation of this.#open) sum += of(reservation);
    return sum;
  }
}
