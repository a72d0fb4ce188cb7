import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, type ProxyRequest, proxyGet, proxyOpen } from '../support/pull.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Ranges of a blob.
 *
 * A range of a stored blob is cut from the file: one, from the end, open, or several as multipart/byteranges, as
 * RFC 9110 has it. A range of a blob that is still arriving waits for its bytes and no longer; a range of a cold blob
 * starts the download of all of it and is served from that. A client that asks for an open range and hangs up after a
 * chunk, as containerd does when it fetches in parallel, neither ends nor slows the download.
 */

const SIZE = 3_000_000;

interface Row {
  readonly range: string;
  readonly status: number;
  /** First and last byte, where a 206 is due. */
  readonly part?: readonly [number, number];
}

const ROWS: readonly Row[] = [
  { range: 'bytes=0-0', status: 206, part: [0, 0] },
  { range: 'bytes=0-', status: 206, part: [0, SIZE - 1] },
  { range: 'bytes=100-199', status: 206, part: [100, 199] },
  { range: 'bytes=1000000-', status: 206, part: [1_000_000, SIZE - 1] },
  { range: 'bytes=-1', status: 206, part: [SIZE - 1, SIZE - 1] },
  { range: 'bytes=-1000', status: 206, part: [SIZE - 1000, SIZE - 1] },
  { range: `bytes=-${SIZE * 2}`, status: 206, part: [0, SIZE - 1] },
  { range: `bytes=${SIZE - 1}-${SIZE * 3}`, status: 206, part: [SIZE - 1, SIZE - 1] },
  { range: `bytes=${SIZE}-`, status: 416 },
  { range: 'bytes=-0', status: 416 },
  { range: 'bytes=5-4', status: 200 },
  { range: 'lines=1-2', status: 200 },
  { range: 'bytes=x', status: 200 },
  { range: 'bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6,7-7,8-8', status: 200 },
];

describe('integration/ranges', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let bytes: Buffer;
  let digest: string;
  let request: ProxyRequest;

  beforeEach(async () => {
    registry = await startFakeRegistry({ delivery: { redirect: 307 } });
    bytes = seededBytes(SIZE, 'range');
    digest = registry.content.addBlob('a', bytes).digest;
    proxy = await startProxy({ registries: [registry] });
    request = { ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${digest}` };
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  async function store(): Promise<void> {
    await proxyGet(request);
    await proxy.settled();
  }

  function ask(range: string, more: readonly string[] = []): Promise<ProxyAnswer> {
    return proxyGet({ ...request, headers: ['Range', range, ...more] });
  }

  function assertRow(answer: ProxyAnswer, { range, status, part }: Row): void {
    assert.equal(answer.status, status, range);
    assert.ok(answer.complete, `${range}: ${answer.fault}`);
    if (part !== undefined) {
      assert.equal(answer.header('content-range'), `bytes ${part[0]}-${part[1]}/${SIZE}`, range);
      assert.ok(answer.body.equals(bytes.subarray(part[0], part[1] + 1)), range);
    } else if (status === 416) assert.equal(answer.header('content-range'), `bytes */${SIZE}`, range);
    else assert.ok(answer.body.equals(bytes), range);
  }

  /** Downloads of the whole blob, which is what fills the store. */
  function fills(): number {
    return registry.find({ kind: 'data', method: 'GET' }).filter(({ sentBytes }) => sentBytes > 1).length;
  }

  it('cuts every range out of a stored blob (G05)', async () => {
    await store();
    registry.forget();
    for (const row of ROWS) {
      const answer = await ask(row.range);
      assertRow(answer, row);
      assert.match(answer.header('cache-status') ?? '', /entrepot; hit/, row.range);
    }
    assert.equal(fills(), 0);
  });

  for (const row of ROWS.filter(({ status }) => status !== 416)) {
    it(`answers ${row.range} of a cold blob from the download that it starts (G06)`, async () => {
      assertRow(await ask(row.range), row);
      assertRow(await ask('bytes=7-8'), { range: 'bytes=7-8', status: 206, part: [7, 8] });
      assert.equal(fills(), 1);
    });
  }

  it('gives several ranges as one multipart body (G05)', async () => {
    await store();
    const answer = await ask('bytes=12586-12597,2000000-2000260,-5');
    assert.equal(answer.status, 206);
    const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(answer.header('content-type') ?? '')?.[1];
    const parts = answer.body.toString('latin1').split(`--${boundary}`);
    assert.equal(parts.length, 5);
    for (const [i, [start, end]] of [
      [12_586, 12_597],
      [2_000_000, 2_000_260],
      [SIZE - 5, SIZE - 1],
    ].entries()) {
      const part = parts[i + 1] ?? '';
      assert.match(part, new RegExp(`Content-Range: bytes ${start}-${end}/${SIZE}\r\n`, 'i'));
      const body = part.slice(part.indexOf('\r\n\r\n') + 4, -2);
      assert.ok(Buffer.from(body, 'latin1').equals(bytes.subarray(start, (end ?? 0) + 1)));
    }
    assert.equal(answer.header('content-length'), String(answer.body.length));
  });

  it('serves ranges before and behind the head of a running download', async () => {
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 2_000_000 });
    const first = await proxyOpen(request);
    await rule.stalled();
    assertRow(await ask('bytes=500000-600000'), { range: 'behind', status: 206, part: [500_000, 600_000] });
    const ahead = ask('bytes=2500000-2500009');
    const suffix = ask('bytes=-10');
    rule.release();
    assertRow(await ahead, { range: 'ahead', status: 206, part: [2_500_000, 2_500_009] });
    assertRow(await suffix, { range: 'suffix', status: 206, part: [SIZE - 10, SIZE - 1] });
    assert.ok((await first.rest()).body.equals(bytes));
    assert.equal(fills(), 1);
  });

  it('survives clients that ask for an open range, read a chunk and hang up', async () => {
    for (let start = 0; start < SIZE; start += 500_000) {
      const answer = await proxyOpen({ ...request, headers: ['Range', `bytes=${start}-`] });
      assert.equal(answer.status, 206);
      assert.ok((await answer.read(100_000)).equals(bytes.subarray(start, start + 100_000)));
      answer.hangUp();
    }
    const whole = await proxyGet(request);
    assert.ok(whole.body.equals(bytes));
    assert.equal(fills(), 1);
    assert.equal(
      registry.find({ kind: 'data' }).filter(({ outcome, sentBytes }) => outcome === 'aborted' && sentBytes > 1).length,
      0,
    );
  });

  it('puts a blob together for clients that resume, each at its own offset', async () => {
    const cut = 1_234_567;
    const first = await proxyOpen(request);
    const head = await first.read(cut);
    first.hangUp();
    const rest = await ask(`bytes=${cut}-`);
    assert.equal(rest.status, 206);
    assert.ok(Buffer.concat([head, rest.body]).equals(bytes));
    assert.equal(fills(), 1);
  });

  it('lets If-Range decide whether a range counts (G05)', async () => {
    await store();
    assert.equal((await ask('bytes=0-9', ['If-Range', `"${digest}"`])).status, 206);
    for (const condition of [`W/"${digest}"`, '"other"', 'Thu, 01 Jan 2026 00:00:00 GMT']) {
      const answer = await ask('bytes=0-9', ['If-Range', condition]);
      assert.equal(answer.status, 200, condition);
      assert.ok(answer.body.equals(bytes));
    }
  });

  it('answers 304 to a client that has the blob', async () => {
    await store();
    const answer = await proxyGet({ ...request, headers: ['If-None-Match', `"${digest}"`] });
    assert.equal(answer.status, 304);
    assert.equal(answer.body.length, 0);
    assert.equal(answer.header('etag'), `"${digest}"`);
    assert.equal((await proxyGet({ ...request, headers: ['If-None-Match', '"other"'] })).status, 200);
  });

  it('asks for the whole of a manifest, whatever range a client asks of it', async () => {
    const image = registry.content.addImage('a', 'v1');
    const answer = await proxyGet({
      ...request,
      path: `/v2/a/manifests/${image.digest}`,
      headers: ['Accept', '*/*', 'Range', 'bytes=0-'],
    });
    assert.ok(answer.status === 200 || answer.status === 206);
    assert.deepEqual(answer.body, image.bytes);
    assert.equal(
      registry.find({ kind: 'manifest' }).some(({ headers }) => headers.some((name) => /^range$/i.test(name))),
      false,
    );
  });

  it('does not lead a client astray whose registry ignores ranges (G04)', async () => {
    registry.misbehave({ kind: 'data', method: 'GET' }, { ignoreRange: true });
    assertRow(await ask('bytes=100-199'), { range: 'bytes=100-199', status: 206, part: [100, 199] });
  });
});
