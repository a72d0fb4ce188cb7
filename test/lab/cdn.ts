import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import type { Certificates } from './certificates.js';
import { isSigned } from './signed-url.js';
import { topology } from './topology.js';
import type { SeenRequest } from './upstream-log.js';

interface Span {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** What the CDN does wrong, while a test wants it to. */
export interface CdnFaults {
  /** Breaks the first transfer of each blob that is longer off after so many bytes. */
  cutFirstBytes?: number | undefined;
  /** Runs when the bytes of such a transfer are sent; it is broken off when this has come back. */
  beforeCut?: (() => Promise<void>) | undefined;
}

/** The bytes that a single `Range` asks for; undefined where it cannot be satisfied. */
function spanOf(range: string | undefined, size: number): Span | undefined {
  const { first = '', last = '' } = /^bytes=(?<first>\d+)-(?<last>\d*)$/.exec(range ?? '')?.groups ?? {};
  if (first === '') return { start: 0, end: size };
  const end = last === '' ? size : Math.min(size, Number(last) + 1);
  return Number(first) < end ? { start: Number(first), end } : undefined;
}

/** Delivers blobs out of the registries' storage to whoever holds a signed address, and refuses credentials as S3 does. */
function deliver(
  blobsFolder: string,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  cutBytes: (path: string, length: number) => number | undefined,
  beforeCut: () => Promise<void>,
): number {
  const url = new URL(incoming.url ?? '/', 'https://cdn');
  if (!isSigned(url)) {
    outgoing.writeHead(403).end('the signature is wrong or has expired');
    return 0;
  }
  if (incoming.headers.authorization !== undefined) {
    outgoing.writeHead(400).end('<Error><Code>InvalidArgument</Code></Error>');
    return 0;
  }
  const file = join(blobsFolder, url.pathname.replace(/^\/blobs\//, ''));
  const { size, mtime } = statSync(file);
  const span = spanOf(incoming.headers.range, size);
  if (span === undefined) {
    outgoing.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return 0;
  }
  const partial = span.end - span.start < size;
  outgoing.writeHead(partial ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': span.end - span.start,
    ...(partial ? { 'content-range': `bytes ${span.start}-${span.end - 1}/${size}` } : {}),
    'accept-ranges': 'bytes',
    'cache-control': 'public, max-age=14400',
    etag: `"${createHash('md5').update(file).digest('hex')}"`,
    'last-modified': mtime.toUTCString(),
  });
  if (incoming.method === 'HEAD') {
    outgoing.end();
    return 0;
  }
  const cut = cutBytes(url.pathname, span.end - span.start);
  if (cut !== undefined) {
    outgoing.write(readFileSync(file).subarray(span.start, span.start + cut), () => {
      void beforeCut().then(() => outgoing.destroy());
    });
    return cut;
  }
  pipeline(createReadStream(file, { start: span.start, end: span.end - 1 }), outgoing, () => {});
  return span.end - span.start;
}

/** The content delivery network behind Docker Hub's redirects. */
export async function startCdn(
  certificates: Certificates,
  blobsFolder: string,
  seen: SeenRequest[],
  faults: CdnFaults,
): Promise<Server> {
  const begun = new Set<string>();

  function cutBytes(path: string, length: number): number | undefined {
    const { cutFirstBytes } = faults;
    if (cutFirstBytes === undefined || length <= cutFirstBytes || begun.has(path)) return undefined;
    begun.add(path);
    return cutFirstBytes;
  }

  const tls = {
    key: readFileSync(certificates.serverKeyFile),
    cert: readFileSync(certificates.serverCertificateFile),
  };
  const server = createServer(tls, (incoming, outgoing) => {
    const bytes = deliver(blobsFolder, incoming, outgoing, cutBytes, async () => faults.beforeCut?.());
    seen.push({
      place: 'cdn',
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      status: outgoing.statusCode,
      bytes,
      userAgent: incoming.headers['user-agent'] ?? '',
      range: incoming.headers.range,
    });
  });
  server.listen(443, topology.cdn.address);
  await once(server, 'listening');
  return server;
}
