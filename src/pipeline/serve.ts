import type { Entry } from '../cache/contract.js';
import type { BodyReader, Piece } from '../http/body.js';
import type { RawHeaders } from '../http/exchange.js';
import { hasHeader } from '../http/headers.js';
import type { PermittedBy } from './decide.js';
import { serveBody } from './serve-body.js';
import { note } from './trace.js';
import type { Visit } from './visit.js';

/** A reader whose first piece has been read already, to see that the content is sound before the head is sent. */
function withFirstPiece(reader: BodyReader, first: Piece | undefined): BodyReader {
  let held = first;
  function drop(): void {
    held?.release();
    held = undefined;
  }
  return {
    sizeBytes: reader.sizeBytes,
    get readsAhead() {
      return reader.readsAhead === true;
    },
    async read(offset, maxBytes) {
      const piece = held;
      if (!piece || offset !== 0) return reader.read(offset, maxBytes);
      held = undefined;
      const bytes = piece.bytes.subarray(0, maxBytes);
      return { bytes, release: () => piece.release() };
    },
    close() {
      drop();
      reader.close();
    },
  };
}

/**
 * Gives stored content to the client. Gives false, with nothing sent, where it turns out to be gone or damaged: the
 * disk's troubles are never the client's, so the caller fetches it instead.
 */
export async function serve(
  visit: Visit,
  entry: Entry,
  by: PermittedBy,
  extra: RawHeaders = [],
  outcome: 'hit' | 'stale' = 'hit',
): Promise<boolean> {
  const { context, exchange, trace, route, scope } = visit;
  const reader = await context.store.open(entry.digest).catch(() => undefined);
  if (!reader) return false;
  const inMemory = reader.whole !== undefined;
  let first: Piece | undefined;
  try {
    const isSound = inMemory || hasHeader(exchange.request.headers, 'range');
    first = isSound ? undefined : await reader.read(0, 256 * 1024);
  } catch {
    reader.close();
    return false;
  }
  const status = note(trace, outcome, by);
  if (outcome === 'hit' && by !== 'open' && by !== 'public') await context.access.confirmed(scope, entry.digest);
  const mediaType = route.kind === 'manifest' ? entry.mediaType : undefined;
  const sound = inMemory ? reader : withFirstPiece(reader, first);
  const body = { digest: entry.digest, mediaType, reader: sound, status, extra };
  await serveBody(exchange, body);
  return true;
}
