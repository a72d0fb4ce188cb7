import assert from 'node:assert/strict';
import type { Entry } from '../../src/cache/contract.js';
import { ProxyError } from '../../src/errors.js';
import type { BodyReader } from '../../src/http/body.js';
import { OCI_MANIFEST } from '../../src/oci/media-types.js';
import { serve } from '../../src/pipeline/serve.js';
import { createMemoryStore, digestOfBytes } from '../support/memory-store.js';
import { seededBytes } from '../support/registry-content.js';
import { openStage, type Stage } from './stage.js';

const BYTES = seededBytes(700_000, 'stored');
const DIGEST = digestOfBytes(BYTES);

describe('pipeline/serve', () => {
  const memory = createMemoryStore();
  let stage: Stage;
  let entry: Entry;
  let reader: (BodyReader & { given: number; released: number; closed: boolean }) | undefined;
  let failAt = Number.POSITIVE_INFINITY;

  before(async () => {
    entry = await memory.put(DIGEST, BYTES, OCI_MANIFEST);
    stage = await openStage({
      store: {
        ...memory,
        async open(digest) {
          if (failAt < 0) throw new ProxyError('store', 'no disk');
          return digest === DIGEST ? (reader = counted()) : undefined;
        },
      },
    });
  });
  after(() => stage.close());
  beforeEach(() => {
    failAt = Number.POSITIVE_INFINITY;
  });

  function counted(): NonNullable<typeof reader> {
    const made = {
      given: 0,
      released: 0,
      closed: false,
      sizeBytes: BYTES.length,
      async read(offset: number, maxBytes: number) {
        if (offset >= failAt) throw new ProxyError('content-damaged', 'rotten');
        if (offset >= BYTES.length) return undefined;
        made.given += 1;
        return { bytes: BYTES.subarray(offset, offset + maxBytes), release: () => void (made.released += 1) };
      },
      close: () => {
        made.closed = true;
      },
    };
    return made;
  }

  function visit(headers: readonly string[] = [], kind = 'blobs', leaveAfterBytes = Number.POSITIVE_INFINITY) {
    return stage.visit({ path: `/v2/team/app/${kind}/${DIGEST}`, headers, leaveAfterBytes });
  }

  function assertFreed(): void {
    assert.deepEqual([reader?.closed, reader?.released], [true, reader?.given]);
  }

  const requests: readonly [readonly string[], number, Buffer][] = [
    [[], 200, BYTES],
    [['Range', 'bytes=0-4'], 206, BYTES.subarray(0, 5)],
    [['Range', 'bytes=5-9'], 206, BYTES.subarray(5, 10)],
    [['If-None-Match', `"${DIGEST}"`], 304, Buffer.alloc(0)],
    [['Range', 'bytes=800000-'], 416, Buffer.alloc(0)],
  ];
  for (const [headers, status, bytes] of requests) {
    it(`gives ${status} for ${JSON.stringify(headers).slice(0, 30)}, and gives everything back that it held`, async () => {
      const made = visit(headers);
      assert.equal(await serve(made, entry, 'granted'), true);
      const { reply } = made.exchange;
      assert.deepEqual([reply.status, reply.state, reply.body.equals(bytes)], [status, 'ended', true]);
      assert.equal(reply.header('Cache-Status'), 'entrepot; hit; detail=granted');
      assertFreed();
    });
  }

  it('tells the type of a manifest, and of a blob only that it is one', async () => {
    for (const [kind, type] of [
      ['manifests', OCI_MANIFEST],
      ['blobs', 'application/octet-stream'],
    ] as const) {
      const made = visit([], kind);
      await serve(made, entry, 'granted');
      assert.equal(made.exchange.reply.header('Content-Type'), type);
    }
  });

  for (const [what, at] of [
    ['cannot be opened', -1],
    ['is damaged at its beginning', 0],
  ] as const) {
    it(`sends nothing where the content ${what}, so that it can still be fetched`, async () => {
      failAt = at;
      const made = visit();
      assert.equal(await serve(made, entry, 'granted'), false);
      assert.deepEqual([made.exchange.reply.headSent, made.trace.cache], [false, 'none']);
      if (at === 0) assertFreed();
    });
  }

  it('sends nothing where the content is gone', async () => {
    const gone = { ...entry, digest: digestOfBytes(Buffer.from('gone')) };
    assert.equal(await serve(visit(), gone, 'granted'), false);
  });

  it('fails where the damage lies further on, and leaves the answer open', async () => {
    failAt = 200_000;
    const made = visit();
    await assert.rejects(serve(made, entry, 'granted'), { code: 'content-damaged' });
    assert.equal(made.exchange.reply.state, 'open');
    assertFreed();
  });

  it('gives everything back where the client leaves', async () => {
    await assert.rejects(serve(visit([], 'blobs', 1), entry, 'granted'), { code: 'client-gone' });
    assertFreed();
  });
});
