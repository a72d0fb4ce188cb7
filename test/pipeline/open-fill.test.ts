import assert from 'node:assert/strict';
import type { FillBody } from '../../src/cache/flight.js';
import { ResumeFault } from '../../src/cache/resume-fault.js';
import { headerValue } from '../../src/http/headers.js';
import type { Digest } from '../../src/oci/digest.js';
import { FillRefused, isEncoded, openFill, resumeFill } from '../../src/pipeline/open-fill.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import { seededBytes, type TestBlob } from '../support/registry-content.js';
import { openStage, type Stage } from './stage.js';

const SIZE = 300_000;
const HALF = 150_000;
const GET = { kind: 'blob', method: 'GET' } as const;
const DATA = { kind: 'data', method: 'GET' } as const;

describe('pipeline/open-fill', () => {
  const { signal } = new AbortController();
  let stage: Stage;
  let layer: TestBlob;
  let digest: Digest;

  beforeEach(async () => {
    stage = await openStage();
    layer = stage.registry.content.addBlob('team/app', seededBytes(SIZE, 'layer'));
    digest = layer.digest as Digest;
  });
  afterEach(() => stage.close());

  function visit(): ReturnType<Stage['visit']> {
    return stage.visit({ path: `/v2/team/app/blobs/${digest}`, headers: ['Authorization', 'Bearer t'] });
  }

  function resume(fromBytes = HALF): Promise<FillBody> {
    return resumeFill(visit(), digest, signal, fromBytes);
  }

  async function read(body: FillBody): Promise<Buffer> {
    const parts: Buffer[] = [];
    await body.pump((bytes) => void parts.push(Buffer.from(bytes)));
    return Buffer.concat(parts);
  }

  /** The ranges that reached the registry and its CDN. */
  function ranges(): (string | undefined)[] {
    return stage.registry.find({ method: 'GET' }).map(({ headers }) => headerValue(headers, 'range'));
  }

  it('asks the registry again for the rest, with the credential, and the CDN without it', async () => {
    stage.registry.delivery = { redirect: 307 };
    const body = await resume();
    assert.deepEqual([body.startBytes, body.sizeBytes], [HALF, SIZE]);
    assert.ok((await read(body)).equals(layer.bytes.subarray(HALF)));
    assert.deepEqual(ranges(), [`bytes=${HALF}-`, `bytes=${HALF}-`]);
    assert.equal(stage.registry.hits({ ...DATA, authorized: true }), 0);
    assert.equal(stage.registry.hits({ ...GET, authorized: true }), 1);
    const [line] = stage.log.filter(({ message }) => message === 'A download that broke off goes on');
    assert.deepEqual([line?.fields.repository, line?.fields.bytes], ['team/app', HALF]);
  });

  it('asks for the whole without a range where nothing is here', async () => {
    const body = await resume(0);
    assert.deepEqual([body.startBytes, body.sizeBytes], [0, SIZE]);
    assert.ok((await read(body)).equals(layer.bytes));
    assert.deepEqual(ranges(), [undefined]);
  });

  it('takes the whole for a part, and says where it begins', async () => {
    stage.registry.misbehave(GET, { ignoreRange: true });
    const body = await resume();
    assert.deepEqual([body.startBytes, body.sizeBytes], [0, SIZE]);
    assert.ok((await read(body)).equals(layer.bytes));
  });

  const parts: readonly [string, string | undefined][] = [
    ['another start', `bytes ${HALF - 1}-${SIZE - 1}/${SIZE}`],
    ['no range', undefined],
    ['a range that cannot be read', 'bytes garbage'],
    ['another unit', `lines ${HALF}-${SIZE - 1}/${SIZE}`],
  ];
  for (const [what, range] of parts) {
    it(`asks for the whole instead where a part comes with ${what}`, async () => {
      const how: Misbehaviour =
        range === undefined ? { dropHeaders: ['content-range'] } : { setHeaders: { 'Content-Range': range } };
      stage.registry.misbehave(GET, how, 1);
      const body = await resume();
      assert.deepEqual([body.startBytes, body.sizeBytes], [0, SIZE]);
      assert.deepEqual(ranges(), [`bytes=${HALF}-`, undefined]);
      body.abort();
    });
  }

  it('tells the length that a part speaks of, whatever it is', async () => {
    stage.registry.misbehave(GET, { setHeaders: { 'Content-Range': `bytes ${HALF}-${SIZE}/${SIZE + 1}` } }, 1);
    const lying = await resume();
    assert.deepEqual([lying.startBytes, lying.sizeBytes], [HALF, SIZE + 1]);
    lying.abort();
    stage.registry.misbehave(GET, { setHeaders: { 'Content-Range': `bytes ${HALF}-${SIZE - 1}/*` } }, 1);
    const silent = await resume();
    assert.deepEqual([silent.startBytes, silent.sizeBytes], [HALF, undefined]);
    silent.abort();
  });

  it('knows by a 416 that nothing is missing', async () => {
    const body = await resume(SIZE);
    assert.deepEqual([body.startBytes, body.sizeBytes], [SIZE, SIZE]);
    assert.equal((await read(body)).length, 0);
  });

  it('asks for the whole where a 416 speaks of another length', async () => {
    const body = await resume(SIZE + 5);
    assert.deepEqual([body.startBytes, body.sizeBytes], [0, SIZE]);
    body.abort();
  });

  for (const status of [401, 403, 404]) {
    it(`is refused by the registry's ${status}, and forgets what the credential was allowed`, async () => {
      const { scope, credential } = visit();
      stage.context.access.allow(scope, credential, digest, SIZE, false);
      stage.registry.misbehave(GET, { status, body: Buffer.from('no') });
      await assert.rejects(resume(), (error) => error instanceof ResumeFault && error.isRefusal);
      assert.equal(await stage.context.access.permission(scope, credential, digest), undefined);
    });
  }

  it('H09 takes no refusal by a CDN for one of the credential', async () => {
    const { scope, credential } = visit();
    stage.context.access.allow(scope, credential, digest, SIZE, false);
    stage.registry.delivery = { redirect: 307, lifeMs: -1 };
    await assert.rejects(resume(), (error) => error instanceof ResumeFault && !error.isRefusal);
    assert.ok(await stage.context.access.permission(scope, credential, digest));
    stage.registry.delivery = { redirect: 307 };
    (await resume()).abort();
  });

  it('H05 tells how long the registry wants to be left alone', async () => {
    stage.registry.misbehave(GET, { status: 503, setHeaders: { 'Retry-After': '7' }, body: Buffer.from('later') });
    await assert.rejects(resume(), (error) => error instanceof ResumeFault && error.retryAfterMs === 7000);
  });

  it('does not take an encoded body', async () => {
    stage.registry.misbehave(GET, { gzip: true, ignoreRange: true });
    await assert.rejects(resume(), (error) => error instanceof ResumeFault && !error.isRefusal);
  });

  it('goes on at the first request, where something is kept from before', async () => {
    const body = await openFill(visit(), digest, signal, HALF);
    assert.deepEqual([body.startBytes, body.sizeBytes], [HALF, SIZE]);
    assert.ok((await read(body)).equals(layer.bytes.subarray(HALF)));
    assert.ok(stage.log.some(({ message }) => message === 'A download that broke off goes on'));
  });

  it('H09 asks for another address at the first request, once', async () => {
    stage.registry.delivery = { redirect: 307 };
    const expired = { status: 403, body: Buffer.from('expired') };
    stage.registry.misbehave(DATA, expired, 1);
    (await openFill(visit(), digest, signal)).abort();
    assert.equal(stage.registry.hits(GET), 2);

    stage.registry.misbehave(DATA, expired);
    await assert.rejects(openFill(visit(), digest, signal), FillRefused);
    assert.equal(stage.registry.hits(GET), 4);
  });

  it('reads only what is not identity as an encoding', () => {
    const response = (value: string) => ({ headers: ['content-encoding', value] });
    assert.deepEqual([isEncoded(response(' Identity ')), isEncoded(response('gzip'))], [false, true]);
  });
});
