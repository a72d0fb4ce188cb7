import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, type ProxyRequest, proxyGet } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import { seededBytes } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * Bytes that are not what their digest says.
 *
 * Whatever an upstream does wrong with a blob, no client ever gets a whole answer with wrong bytes: its connection is
 * broken before the last of them, so that it knows. Nothing of it is stored, and the next request gets the right bytes
 * from upstream. What an upstream says instead of a body (a limit, a failure) reaches the client as it was said.
 */

const SIZE = 400_000;

/** Faults of a blob's body; where the registry won't go on either, the client must not have a whole answer. */
const BROKEN: readonly (readonly [string, Misbehaviour])[] = [
  ['flips a bit in the middle', { corruptAt: SIZE / 2 }],
  ['flips a bit in the first byte', { corruptAt: 0 }],
  ['flips a bit in the last byte', { corruptAt: SIZE - 1 }],
  ['sends nothing and ends', { truncateAt: 0 }],
  ['sends one byte and ends', { truncateAt: 1 }],
  ['ends in the middle', { truncateAt: SIZE / 2 }],
  ['ends before the last byte', { truncateAt: SIZE - 1 }],
  ['resets in the middle', { truncateAt: SIZE / 2, reset: true }],
  ['ends a chunked body in the middle', { truncateAt: SIZE / 2, contentLength: 'chunked' }],
  ['ends a body of unknown length in the middle', { truncateAt: SIZE / 2, contentLength: 'close' }],
  ['resets a body of unknown length', { truncateAt: SIZE / 2, contentLength: 'close', reset: true }],
  ['flips a bit of a chunked body', { corruptAt: 5, contentLength: 'chunked' }],
  ['announces and sends a byte too many', { extraBytes: Buffer.from('x'), contentLength: SIZE + 1 }],
  ['announces more than it sends', { contentLength: SIZE + 1, truncateAt: SIZE }],
  ['announces less than there is', { contentLength: SIZE - 1 }],
  ['adds a byte to a chunked body', { extraBytes: Buffer.from('x'), contentLength: 'chunked' }],
  ['sends other content of the same length', { body: seededBytes(SIZE, 'other') }],
  ['sends an empty body', { body: Buffer.alloc(0) }],
  [
    'answers a request for the whole with a part (G04)',
    { status: 206, setHeaders: { 'Content-Range': `bytes 0-${SIZE - 1}/${SIZE}` } },
  ],
];

/** Odd ways to send the right bytes; the client gets them whole. */
const ODD: readonly (readonly [string, Misbehaviour])[] = [
  ['is chunked', { contentLength: 'chunked' }],
  ['ends with the connection', { contentLength: 'close' }],
  ['claims another digest', { setHeaders: { 'Docker-Content-Digest': `sha256:${'0'.repeat(64)}` } }],
  ['claims no digest', { dropHeaders: ['docker-content-digest', 'etag'] }],
  ['is called text/html', { setHeaders: { 'Content-Type': 'text/html' } }],
  ['must not be stored, says the registry', { setHeaders: { 'Cache-Control': 'no-store', Vary: '*' } }],
  ['sends bytes behind its length', { extraBytes: Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), contentLength: SIZE }],
  [
    'is followed by an answer that nobody asked for',
    { afterwards: Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nNO') },
  ],
  ['comes in small pieces', { trickle: { bytes: 50_000, everyMs: 1 } }],
];

/** Refusals; each reaches the client. */
const REFUSALS: readonly (readonly [string, Misbehaviour, number])[] = [
  [
    '429',
    { status: 429, setHeaders: { 'Retry-After': '30' }, body: Buffer.from('{"errors":[{"code":"TOOMANYREQUESTS"}]}') },
    429,
  ],
  ['404', { status: 404, body: Buffer.from('gone') }, 404],
  ['403', { status: 403, body: Buffer.from('no') }, 403],
  ['500', { status: 500, body: Buffer.from('oops') }, 500],
  ['503', { status: 503, body: Buffer.from('later'), setHeaders: { 'Retry-After': '1' } }, 503],
  ['451', { status: 451, body: Buffer.from('law') }, 451],
];

describe('integration/bad-upstream', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let bytes: Buffer;
  let request: ProxyRequest;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    bytes = seededBytes(SIZE, 'bad');
    const { digest } = registry.content.addBlob('a', bytes);
    proxy = await startProxy({ registries: [registry] });
    request = { ...proxy.way, authority: registry.authority, path: `/v2/a/blobs/${digest}` };
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  async function assertNothingStored(headers: readonly string[] = []): Promise<void> {
    assert.equal(await proxy.metric('entrepot_store_entries'), 0);
    registry.forget();
    const again = await proxyGet({ ...request, headers });
    assert.ok(isWhole(again) && again.body.equals(bytes), `then ${again.status} ${again.fault}`);
    assert.doesNotMatch(again.header('cache-status') ?? '', /hit/);
    assert.ok(registry.hits({ kind: 'blob', method: 'GET', status: 200 }) >= 1);
  }

  for (const [what, how] of BROKEN) {
    it(`breaks the client off, and stores nothing, when the registry ${what} (G01)`, async () => {
      const blob = { kind: 'blob', method: 'GET' } as const;
      const rules = [registry.misbehave(blob, { status: 404 }), registry.misbehave(blob, how, 1)];
      const answer = await proxyGet(request).catch(() => undefined);
      assert.ok(answer === undefined || !isWhole(answer), `got ${answer?.status} with ${answer?.body.length} bytes`);
      assert.ok(answer === undefined || answer.body.length < SIZE || answer.status >= 500);
      if (answer !== undefined && answer.status !== 200) assert.equal(answer.status, 502);
      for (const rule of rules) rule.remove();
      await assertNothingStored();
    });
  }

  for (const [what, how] of ODD) {
    it(`gives and stores the right bytes when the answer ${what}`, async () => {
      const rule = registry.misbehave({ kind: 'blob', method: 'GET' }, how);
      const answer = await proxyGet(request);
      assert.ok(isWhole(answer), `${answer.status} ${answer.fault}`);
      assert.ok(answer.body.equals(bytes));
      rule.remove();
      await proxy.settled();
      const again = await proxyGet(request);
      assert.ok(isWhole(again) && again.body.equals(bytes));
      assert.match(again.header('cache-status') ?? '', /entrepot; hit/);
    });
  }

  for (const [what, how, status] of REFUSALS) {
    it(`passes ${what} on as it was said, and stores nothing`, async () => {
      const rule = registry.misbehave({ kind: 'blob', method: 'GET' }, how);
      const answer = await proxyGet(request);
      assert.equal(answer.status, status);
      assert.deepEqual(answer.body, how.body);
      assert.equal(answer.header('retry-after'), how.setHeaders?.['Retry-After']);
      rule.remove();
      // A 429 holds for whoever got it, and for nobody else (H05).
      await assertNothingStored(status === 429 ? ['Authorization', 'Bearer another'] : []);
    });
  }

  it('passes an encoded body on as it is, and does not store it (G03)', async () => {
    const rule = registry.misbehave({ kind: 'blob', method: 'GET' }, { gzip: true });
    const answer = await proxyGet({ ...request, headers: ['Accept-Encoding', 'gzip'] });
    assert.equal(answer.header('content-encoding'), 'gzip');
    assert.ok(answer.complete);
    rule.remove();
    await assertNothingStored();
  });

  it('asks for the plain body even where the client would take an encoded one (G03)', async () => {
    await proxyGet({ ...request, headers: ['Accept-Encoding', 'zstd;q=1.0, gzip;q=0.8'] });
    const [sent] = registry.find({ kind: 'blob', method: 'GET', status: 200 });
    const at = sent?.headers.findIndex((text) => text.toLowerCase() === 'accept-encoding') ?? -1;
    assert.equal(sent?.headers[at + 1], 'identity');
  });

  it('gives an error in words when the registry is not there', async () => {
    const { authority } = registry;
    await registry?.close();
    const answer = await proxyGet(request);
    assert.equal(answer.status, 502);
    const [error] = (JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] }).errors;
    assert.equal(error?.code, 'UNAVAILABLE');
    assert.ok(error.message.includes(authority.split(':')[0] ?? '-'), error.message);
  });

  it('breaks off for a manifest by digest with other bytes, and does not store it (G02)', async () => {
    const image = registry.content.addImage('a', 'v1');
    const rule = registry.misbehave({ kind: 'manifest', method: 'GET' }, { corruptAt: 9 });
    const path = `/v2/a/manifests/${image.digest}`;
    const answer = await proxyGet({ ...request, path, headers: ['Accept', '*/*'] });
    assert.equal(answer.status, 502);
    rule.remove();
    const again = await proxyGet({ ...request, path, headers: ['Accept', '*/*'] });
    assert.deepEqual(again.body, image.bytes);
    assert.doesNotMatch(again.header('cache-status') ?? '', /hit/);
  });

  it('never lets one connection’s stray answer become another request’s', async () => {
    const stray = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED');
    registry.misbehave({ server: 'registry' }, { afterwards: stray });
    for (let round = 0; round < 30; round += 1) {
      const [ping, tags] = await Promise.all([
        proxyGet({ ...request, path: '/v2/' }),
        proxyGet({ ...request, path: '/v2/a/tags/list' }),
      ]);
      assert.equal(ping.body.toString(), '{}');
      assert.match(tags.body.toString(), /"name":"a"/);
    }
  });

  it('lets a pull recover that met every fault on its way', async () => {
    const image = registry.content.addImage('b', 'v1');
    const [first, second] = image.layers;
    registry.misbehave({ kind: 'blob', reference: first?.digest ?? '' }, { corruptAt: 7 }, 2);
    registry.misbehave({ kind: 'blob', reference: second?.digest ?? '', method: 'GET' }, { status: 404 }, 1);
    registry.misbehave({ kind: 'blob', reference: second?.digest ?? '', method: 'GET' }, { truncateAt: 70 }, 1);
    const pull = {
      ...proxy.way,
      authority: registry.authority,
      repository: 'b',
      reference: 'v1',
      style: 'crane',
    } as const;
    await assert.rejects(pullImage(pull));
    await assert.rejects(pullImage(pull));
    assert.equal((await pullImage(pull)).blobs.length, 4);
  });
});

function isWhole(answer: ProxyAnswer): boolean {
  return answer.status === 200 && answer.complete;
}
