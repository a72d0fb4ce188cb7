import type { BodyReader } from '../http/body.js';

/** Reads a stored body into memory. The caller has looked at its size and closes the reader. */
export async function readWhole(reader: BodyReader): Promise<Buffer> {
  const parts: Buffer[] = [];
  let offset = 0;
  for (;;) {
    const piece = await reader.read(offset, Number.MAX_SAFE_INTEGER);
    if (piece === undefined) return Buffer.concat(parts, offset);
    parts.push(Buffer.from(piece.bytes));
    offset += piece.bytes.byteLength;
    piece.release();
  }
}
