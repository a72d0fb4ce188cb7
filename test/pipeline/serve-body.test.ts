import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import type { BodyReader } from '../../src/http/body.js';
import type { RawHeaders } from '../../src/http/exchange.js';
import { requestedRanges, serveBody } from '../../src/pipeline/serve-body.js';
import { digestOfBytes } from '../support/memory-store.js';
import { seededBytes } from '../support/registry-content.js';
import { type RecordedReply, type ReplyOptions, recordReply } from './recorded-reply.js';

const MIB = 1024 * 1024;
const BYTES = seededBytes(3 * MIB + 17, 'body');
const DIGEST = digestOfBytes(BYTES);
const ETAG = `"${DIGEST}"`;

interface Counted extends BodyReader {
  readonly given: number;
  readonly released: number;
  readonly closed: number;
}

interface ReaderOptions {
  readonly sizeBytes?: number | 'unknown';
  readonly failAt?: number;
  /** Gives no more than this at a time. */
  readonly mostBytes?: number;
}

/** A reader whose pieces live in memory that is overwritten at their release, as a pool's is. */
function countedReader(bytes: Buffer, options: ReaderOptions = {}): Counted {
  const { sizeBytes = bytes.length, failAt = Number.POSITIVE_INFINITY, mostBytes = 300_000 } = options;
  let given = 0;
  let released = 0;
  let closed = 0;
  let reading = false;
  return {
    sizeBytes: sizeBytes === 'unknown' ? undefined : sizeBytes,
    async read(offset, maxBytes) {
      assert.equal(reading, false, 'one read at a time');
      assert.ok(maxBytes > 0 && maxBytes <= MIB);
      reading = true;
      await new Promise((resolve) => setImmediate(resolve));
      reading = false;
      if (offset >= failAt) throw new ProxyError('content-damaged', 'rotten');
      if (offset >= bytes.length) return undefined;
      const piece = Buffer.from(bytes.subarray(offset, offset + Math.min(maxBytes, mostBytes)));
      let free = false;
      given += 1;
      return {
        bytes: piece,
        release() {
          assert.equal(free, false, 'released twice');
          free = true;
          released += 1;
          piece.fill(0);
        },
      };
    },
    close() {
      closed += 1;
    },
    get given() {
      return given;
    },
    get released() {
      return released;
    },
    get closed() {
      return closed;
    },
  };
}

interface Served {
  readonly reply: RecordedReply;
  readonly reader: Counted;
  readonly failure: unknown;
}

async function get(headers: RawHeaders, options: ReaderOptions & ReplyOptions = {}, bytes = BYTES): Promise<Served> {
  const reader = countedReader(bytes, options);
  const reply = recordReply(options);
  const body = { digest: DIGEST, mediaType: undefined, reader, status: { hit: true } };
  const failure = await serveBody(
    { request: { headers }, reply } as unknown as Parameters<typeof serveBody>[0],
    body,
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  // A piece that was being read ahead is freed as soon as it comes.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.equal(reader.closed, 1, 'the reader is closed');
  assert.equal(reader.released, reader.given, 'every piece is released');
  return { reply, reader, failure };
}

describe('pipeline/serve-body', () => {
  it('sends the whole content with what names it', async () => {
    const { reply, reader } = await get([]);
    assert.ok(reply.body.equals(BYTES));
    assert.ok(reader.given > 3);
    assert.deepEqual(reply.headers, [
      'Docker-Content-Digest',
      DIGEST,
      'ETag',
      ETAG,
      'Accept-Ranges',
      'bytes',
      'Docker-Distribution-Api-Version',
      'registry/2.0',
      'Cache-Status',
      'entrepot; hit',
      'Content-Type',
      'application/octet-stream',
      'Content-Length',
      String(BYTES.length),
    ]);
    assert.deepEqual([reply.status, reply.state], [200, 'ended']);
  });

  it('tells the media type of a manifest and further headers', async () => {
    const reply = recordReply();
    const reader = countedReader(BYTES);
    const body = { digest: DIGEST, mediaType: 'a/b', reader, status: {}, extra: ['RateLimit-Remaining', '7'] };
    await serveBody(
      { request: { headers: [] as RawHeaders }, reply } as unknown as Parameters<typeof serveBody>[0],
      body,
    );
    assert.deepEqual([reply.header('Content-Type'), reply.header('RateLimit-Remaining')], ['a/b', '7']);
  });

  const size = BYTES.length;
  const ranges: readonly [string, number, number][] = [
    ['bytes=0-0', 0, 0],
    ['bytes=5-9', 5, 9],
    ['bytes=1000000-', 1_000_000, size - 1],
    ['bytes=-1', size - 1, size - 1],
    ['bytes=-99999999', 0, size - 1],
    [`bytes=10-${size * 2}`, 10, size - 1],
    [`bytes=${size - 1}-`, size - 1, size - 1],
    ['bytes=0-', 0, size - 1],
  ];
  for (const [range, start, end] of ranges) {
    it(`answers ${range} with exactly these bytes`, async () => {
      const { reply } = await get(['Range', range]);
      assert.deepEqual([reply.status, reply.state], [206, 'ended']);
      assert.equal(reply.header('Content-Range'), `bytes ${start}-${end}/${size}`);
      assert.equal(reply.header('Content-Length'), String(end - start + 1));
      assert.ok(reply.body.equals(BYTES.subarray(start, end + 1)));
    });
  }

  it('answers several ranges in one multipart body whose length is announced', async () => {
    const { reply } = await get(['Range', 'bytes=0-1,1048576-1048579,-2']);
    assert.equal(reply.status, 206);
    const boundary =
      /^multipart\/byteranges; boundary=(\w+)$/.exec(reply.header('Content-Type') ?? '')?.[1] ?? assert.fail();
    assert.equal(reply.header('Content-Length'), String(reply.body.length));
    const parts = reply.text.split(`--${boundary}`);
    assert.equal(parts.length, 5);
    assert.equal(parts[4], '--\r\n');
    const expected = [
      [0, 1],
      [1_048_576, 1_048_579],
      [size - 2, size - 1],
    ] as const;
    for (const [i, [start, end]] of expected.entries()) {
      const [head = '', body = ''] = parts[i + 1]?.split('\r\n\r\n') ?? [];
      assert.match(head, new RegExp(`Content-Range: bytes ${start}-${end}/${size}`));
      assert.equal(body.slice(0, end - start + 1), BYTES.toString('latin1', start, end + 1));
    }
  });

  for (const range of [`bytes=${size}-`, `bytes=${size + 5}-${size + 9}`, 'bytes=-0']) {
    it(`answers 416 to ${range}`, async () => {
      const { reply, reader } = await get(['Range', range]);
      assert.deepEqual([reply.status, reply.state, reply.sentBytes, reader.given], [416, 'ended', 0, 0]);
      assert.equal(reply.header('Content-Range'), `bytes */${size}`);
    });
  }

  const ignored: readonly RawHeaders[] = [
    ['Range', 'bytes=9-5'],
    ['Range', 'lines=1-2'],
    ['Range', 'nonsense'],
    ['Range', `bytes=${Array.from({ length: 9 }, (_, i) => `${i}-${i}`).join(',')}`],
    ['Range', 'bytes=0-1', 'Range', 'bytes=2-3'],
    ['Range', 'bytes=0-1', 'If-Range', '"another"'],
    ['Range', 'bytes=0-1', 'If-Range', 'Wed, 21 Oct 2026 07:28:00 GMT'],
    ['Range', 'bytes=0-1', 'If-Range', `W/${ETAG}`],
  ];
  for (const headers of ignored) {
    it(`sends the whole for ${JSON.stringify(headers).slice(0, 70)}`, async () => {
      const { reply } = await get(headers);
      assert.equal(reply.status, 200);
      assert.ok(reply.body.equals(BYTES));
    });
  }

  it('takes a range whose If-Range names this content', async () => {
    assert.deepEqual(requestedRanges(['Range', 'bytes=0-1', 'If-Range', ETAG], DIGEST, 10), [{ start: 0, end: 1 }]);
  });

  for (const condition of [ETAG, '*', `W/${ETAG}`, `"x", ${ETAG}`]) {
    it(`answers 304 to a client that has the content: ${condition.slice(0, 20)}`, async () => {
      const { reply, reader } = await get(['If-None-Match', condition, 'Range', 'bytes=0-1']);
      assert.deepEqual([reply.status, reply.state, reader.given], [304, 'ended', 0]);
      assert.deepEqual([reply.header('ETag'), reply.header('Content-Length')], [ETAG, undefined]);
    });
  }

  it('sends content of unknown length whole and without a length, ranges or not', async () => {
    for (const headers of [[], ['Range', 'bytes=0-1']]) {
      const { reply } = await get(headers, { sizeBytes: 'unknown' });
      assert.deepEqual([reply.status, reply.header('Content-Length')], [200, undefined]);
      assert.ok(reply.body.equals(BYTES));
    }
  });

  it('sends empty content, once the reader says that it is whole', async () => {
    const { reply } = await get([], {}, Buffer.alloc(0));
    assert.deepEqual([reply.status, reply.header('Content-Length'), reply.state], [200, '0', 'ended']);
    const failed = await get([], { failAt: 0 }, Buffer.alloc(0));
    assert.deepEqual([failed.reply.headSent, (failed.failure as ProxyError).code], [false, 'content-damaged']);
  });

  it('fails where the reader fails, and never ends the answer', async () => {
    for (const failAt of [0, 300_000, 2 * MIB]) {
      const { reply, failure } = await get([], { failAt });
      assert.equal((failure as ProxyError).code, 'content-damaged');
      assert.equal(reply.state, 'open');
      assert.ok(reply.body.equals(BYTES.subarray(0, reply.sentBytes)));
    }
  });

  it('fails where the content ends before its length', async () => {
    const { reply, failure } = await get([], { sizeBytes: BYTES.length + 1 });
    assert.deepEqual([(failure as ProxyError).code, reply.state], ['content-damaged', 'open']);
  });

  it('fails where the client leaves, and frees what was read ahead', async () => {
    for (const headers of [[], ['Range', 'bytes=0-10,1000000-']]) {
      const { failure } = await get(headers, { leaveAfterBytes: 1 });
      assert.equal((failure as ProxyError).code, 'client-gone');
    }
    const both = await get([], { leaveAfterBytes: 1, failAt: 1 });
    assert.equal((both.failure as ProxyError).code, 'client-gone');
  });
});
