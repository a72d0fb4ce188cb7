import { ProxyError } from '../errors.js';

/** `chunk size ; extensions`; the size has at most 12 hex digits, which is more than any body has bytes. */
const SIZE_LINE = /^([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n\0]*)?$/;

const MAX_LINE_BYTES = 4096;
const MAX_TRAILER_LINES = 32;

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

/** Takes the chunks of a body apart (RFC 9112 section 7.1). Trailers are read over; anything malformed throws `upstream-protocol`. */
export class ChunkedBody {
  #state: State = 'size';
  #left = 0;
  #line = '';
  #trailerLines = 0;

  /** Whether the last chunk and the trailers have come. */
  get done(): boolean {
    return this.#state === 'done';
  }

  /** Takes bytes off the connection and gives the body bytes among them to `emit`; gives how many bytes it took. */
  take(bytes: Uint8Array, emit: (body: Uint8Array) => void): number {
    let at = 0;
    while (at < bytes.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const part = bytes.subarray(at, at + this.#left);
        at += part.length;
        this.#left -= part.length;
        if (this.#left === 0) this.#state = 'data-end';
        emit(part);
      } else {
        this.#takeByte(bytes[at] as number);
        at += 1;
      }
    }
    return at;
  }

  /** Everything but chunk data is lines, and lines are short: a byte at a time costs nothing. */
  #takeByte(byte: number): void {
    this.#line += String.fromCharCode(byte);
    if (this.#line.length > MAX_LINE_BYTES) throw malformed();
    if (byte !== 0x0a) return;
    if (!this.#line.endsWith('\r\n')) throw malformed();
    const line = this.#line.slice(0, -2);
    this.#line = '';
    this.#takeLine(line);
  }

  #takeLine(line: string): void {
    if (this.#state === 'size') {
      const size = SIZE_LINE.exec(line)?.[1];
      if (size === undefined) throw malformed();
      this.#left = Number.parseInt(size, 16);
      this.#state = this.#left === 0 ? 'trailer' : 'data';
    } else if (this.#state === 'data-end') {
      if (line !== '') throw malformed();
      this.#state = 'size';
    } else if (line === '') {
      this.#state = 'done';
    } else {
      this.#trailerLines += 1;
      if (this.#trailerLines > MAX_TRAILER_LINES) throw malformed();
    }
  }
}

function malformed(): ProxyError {
  return new ProxyError('upstream-protocol', 'the answer is not valid HTTP: its chunks');
}
