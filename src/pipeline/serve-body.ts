import { ProxyError } from '../errors.js';
import type { BodyReader, Piece } from '../http/body.js';
import { type CacheStatus, withCacheStatus } from '../http/cache-status.js';
import { ifRangeMatches, isNotModified } from '../http/conditional.js';
import type { Exchange, RawHeaders, Reply } from '../http/exchange.js';
import { headerValues } from '../http/headers.js';
import { multipartRanges } from '../http/multipart-ranges.js';
import { type ByteRange, contentRange, parseRange, type RangeOutcome, unsatisfiedRange } from '../http/range.js';
import type { Digest } from '../oci/digest.js';
import { BLOB_MEDIA_TYPE } from '../oci/media-types.js';

/** The most that is asked of a reader at a time; larger reads and writes save no more CPU. */
const READ_BYTES = 1024 * 1024;

/** What is sent: content by digest, from whatever reader. */
export interface DigestBody {
  readonly digest: Digest;
  /** The media type of a manifest; undefined for blobs. */
  readonly mediaType: string | undefined;
  readonly reader: BodyReader;
  readonly status: CacheStatus;
  /** Further headers of the answer, such as a registry's rate limit. */
  readonly extra?: RawHeaders;
}

/** The headers that every answer by digest has, whether whole, part or none of it is sent. */
export function digestHeaders({ digest, status, extra }: Pick<DigestBody, 'digest' | 'status' | 'extra'>): RawHeaders {
  const headers = ['Docker-Content-Digest', digest, 'ETag', `"${digest}"`, 'Accept-Ranges', 'bytes'];
  headers.push('Docker-Distribution-Api-Version', 'registry/2.0');
  return withCacheStatus(extra === undefined ? headers : [...headers, ...extra], status);
}

/** The ranges that the request asks for and that count (RFC 9110 section 13.1.5 and 14.2); several Range lines are one mistake. */
export function requestedRanges(headers: RawHeaders, digest: Digest, sizeBytes: number): RangeOutcome {
  const lines = headerValues(headers, 'range');
  if (lines.length !== 1 || !ifRangeMatches(headers, `"${digest}"`)) return 'whole';
  return parseRange(lines[0], sizeBytes);
}

/**
 * Answers a GET for content by digest: 200, 206, 304 or 416, with bytes from the reader, which is closed in any case. A
 * body whose length nobody knows yet is always sent whole, chunked. When the reader fails, so does this: the caller
 * breaks the connection.
 */
export async function serveBody(exchange: Exchange, body: DigestBody): Promise<void> {
  try {
    await answer(exchange, body);
  } finally {
    body.reader.close();
  }
}

async function answer({ request, reply }: Exchange, body: DigestBody): Promise<void> {
  const { reader, digest } = body;
  const common = digestHeaders(body);
  const mediaType = body.mediaType ?? BLOB_MEDIA_TYPE;
  if (isNotModified(request.headers, `"${digest}"`)) {
    reply.head(304, common);
    return reply.end();
  }
  const sizeBytes = reader.sizeBytes;
  if (sizeBytes === undefined) {
    reply.head(200, [...common, 'Content-Type', mediaType]);
    await copy(reader, reply, 0, undefined);
    return reply.end();
  }
  const ranges = requestedRanges(request.headers, digest, sizeBytes);
  if (ranges === 'unsatisfiable') {
    reply.head(416, [...common, 'Content-Range', unsatisfiedRange(sizeBytes), 'Content-Length', '0']);
    return reply.end();
  }
  if (ranges === 'whole') return sendWhole(reply, reader, [...common, 'Content-Type', mediaType], sizeBytes);
  const [range] = ranges;
  if (ranges.length === 1 && range) {
    const headers = ['Content-Type', mediaType, 'Content-Range', contentRange(range.start, range.end, sizeBytes)];
    reply.head(206, [...common, ...headers, 'Content-Length', String(range.end - range.start + 1)]);
    await copy(reader, reply, range.start, range.end + 1);
    return reply.end();
  }
  return sendRanges(reply, reader, common, mediaType, ranges, sizeBytes);
}

async function sendWhole(reply: Reply, reader: BodyReader, headers: RawHeaders, sizeBytes: number): Promise<void> {
  // An empty body has no last byte to hold back, so even its head waits until the digest is known.
  if (sizeBytes === 0) await reader.read(0, 1);
  const head = [...headers, 'Content-Length', String(sizeBytes)];
  if (reader.whole !== undefined) return reply.send(200, head, reader.whole);
  reply.head(200, head);
  await copy(reader, reply, 0, sizeBytes);
  return reply.end();
}

async function sendRanges(
  reply: Reply,
  reader: BodyReader,
  common: RawHeaders,
  mediaType: string,
  ranges: readonly ByteRange[],
  sizeBytes: number,
): Promise<void> {
  const layout = multipartRanges(ranges, sizeBytes, mediaType);
  const length = String(layout.lengthBytes);
  reply.head(206, [...common, 'Content-Type', layout.contentType, 'Content-Length', length]);
  for (const part of layout.parts) {
    await reply.write(part.head);
    await copy(reader, reply, part.range.start, part.range.end + 1);
  }
  await reply.write(layout.tail);
  return reply.end();
}

/** Copies [start, end) to the client; where the reader thinks it worthwhile, the next piece is read while the last one is on its way. */
async function copy(reader: BodyReader, reply: Reply, start: number, end: number | undefined): Promise<void> {
  let offset = start;
  let ahead: Promise<Piece | undefined> | undefined;
  function readNext(): Promise<Piece | undefined> {
    const left = end === undefined ? READ_BYTES : end - offset;
    return left <= 0 ? Promise.resolve(undefined) : reader.read(offset, Math.min(left, READ_BYTES));
  }
  try {
    for (let piece = await readNext(); piece; piece = await (ahead ?? readNext())) {
      offset += piece.bytes.length;
      const writing = reply.write(piece.bytes).finally(() => piece.release());
      ahead = reader.readsAhead === true ? readNext() : undefined;
      ahead?.catch(() => {});
      await writing;
    }
  } catch (error) {
    // The piece that was read ahead has no one to write it any more.
    ahead?.then(
      (piece) => piece?.release(),
      () => {},
    );
    throw error;
  }
  if (end !== undefined && offset < end) throw new ProxyError('content-damaged', 'the content ended before its length');
}
