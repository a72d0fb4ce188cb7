import { randomBytes } from 'node:crypto';
import { type ByteRange, contentRange } from './range.js';

/** One part: the bytes that stand before it, and the stretch of content that it carries. */
export interface MultipartPart {
  readonly head: Buffer;
  readonly range: ByteRange;
}

/** A multipart/byteranges body (RFC 9110 section 14.6), laid out without touching its content. */
export interface MultipartRanges {
  /** The value of the answer's Content-Type. */
  readonly contentType: string;
  readonly parts: readonly MultipartPart[];
  /** The bytes after the last part. */
  readonly tail: Buffer;
  /** The length of the whole body, for Content-Length. */
  readonly lengthBytes: number;
}

/**
 * Lays out the answer to a request for several ranges. `contentType` is that of the content itself. The boundary is
 * random, so that no stored content can contain it on purpose.
 */
export function multipartRanges(
  ranges: readonly ByteRange[],
  sizeBytes: number,
  contentType: string,
  boundary: string = randomBytes(16).toString('hex'),
): MultipartRanges {
  const parts = ranges.map((range, i) => {
    const lines = [
      `${i === 0 ? '' : '\r\n'}--${boundary}`,
      `Content-Type: ${contentType}`,
      `Content-Range: ${contentRange(range.start, range.end, sizeBytes)}`,
      '\r\n',
    ];
    return { head: Buffer.from(lines.join('\r\n'), 'latin1'), range };
  });
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1');
  let lengthBytes = tail.length;
  for (const { head, range } of parts) lengthBytes += head.length + range.end - range.start + 1;
  return { contentType: `multipart/byteranges; boundary=${boundary}`, parts, tail, lengthBytes };
}
