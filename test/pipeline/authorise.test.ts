import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { askHead, authorise, yesOf } from '../../src/pipeline/authorise.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import type { TestBlob } from '../support/registry-content.js';
import { seededBytes } from '../support/registry-content.js';
import { textOf } from '../upstream/loopback.js';
import { type Asked, openStage, type Stage } from './stage.js';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;

describe('pipeline/authorise', () => {
  let stage: Stage;
  let layer: TestBlob;

  beforeEach(async () => {
    stage = await openStage();
    layer = stage.registry.content.addBlob('team/app', seededBytes(1000, 'layer'));
  });
  afterEach(() => stage.close());

  const blob = (): Asked => ({ path: `/v2/team/app/blobs/${layer.digest}` });

  const yes: readonly [string, number, readonly string[], number | undefined][] = [
    ['a length', 200, ['Content-Length', '7'], 7],
    ['a length and the digest', 200, ['Content-Length', '7', 'Docker-Content-Digest', DIGEST], 7],
    ['another digest', 200, ['Content-Length', '7', 'Docker-Content-Digest', DIGEST.replace('a', 'b')], undefined],
    ['a page of the right length', 200, ['Content-Length', '7', 'Content-Type', 'text/html; charset=utf-8'], undefined],
    ['no length', 200, ['Docker-Content-Digest', DIGEST], undefined],
    ['a length that is none', 200, ['Content-Length', '7x'], undefined],
    ['two lengths', 200, ['Content-Length', '7', 'Content-Length', '8'], undefined],
    ['a redirect', 307, ['Content-Length', '7', 'Location', 'https://cdn.test'], undefined],
    ['204', 204, ['Content-Length', '7'], undefined],
    ['401', 401, ['Content-Length', '7'], undefined],
  ];
  for (const [what, status, headers, expected] of yes) {
    it(`reads a HEAD with ${what} as ${expected ?? 'no yes'}`, () => {
      assert.equal(yesOf({ status, headers }, DIGEST), expected);
    });
  }

  it('asks by HEAD once, and then knows', async () => {
    for (const by of ['probed', 'granted']) {
      const visit = stage.visit(blob());
      const answer = await authorise(visit, layer.digest as Digest);
      assert.deepEqual(answer.outcome === 'permitted' && [answer.by, answer.permission.sizeBytes], [by, 1000]);
    }
    assert.deepEqual(stage.sent(), ['HEAD blob']);
  });

  const refusedHead: Misbehaviour = { status: 401, setHeaders: { 'Docker-Content-Digest': 'x' } };

  async function afterRefusedHead(how: Misbehaviour) {
    stage.registry.misbehave({ kind: 'blob', method: 'HEAD' }, refusedHead);
    stage.registry.misbehave({ kind: 'blob', method: 'GET' }, how);
    return authorise(stage.visit(blob()), layer.digest as Digest);
  }

  const first: readonly [string, Misbehaviour, number | undefined][] = [
    ['a 206', { status: 206, setHeaders: { 'Content-Range': 'bytes 0-0/1000' }, body: Buffer.alloc(1) }, 1000],
    ['the whole', { ignoreRange: true }, 1000],
    ['a page of the right length', { ignoreRange: true, setHeaders: { 'Content-Type': 'text/html' } }, undefined],
    ['a 206 of unknown length', { status: 206, setHeaders: { 'Content-Range': 'bytes 0-0/*' } }, undefined],
    ['a 206 of another part', { status: 206, setHeaders: { 'Content-Range': 'bytes 5-5/1000' } }, undefined],
    ['a 416', { status: 416 }, undefined],
    ['the whole in chunks', { ignoreRange: true, contentLength: 'chunked' }, undefined],
  ];
  for (const [what, how, sizeBytes] of first) {
    it(`asks for the first byte where the HEAD of a blob is refused, and takes ${what} for ${sizeBytes ?? 'no yes'}`, async () => {
      const answer = await afterRefusedHead(how);
      assert.equal(answer.outcome, sizeBytes === undefined ? 'unproven' : 'permitted');
      if (answer.outcome === 'permitted') assert.equal(answer.permission.sizeBytes, sizeBytes);
      const ranges = stage.registry.find({ method: 'GET' }).map(({ headers }) => headers[headers.indexOf('Range') + 1]);
      assert.deepEqual(ranges, ['bytes=0-0']);
    });
  }

  for (const status of [401, 403, 404, 429, 500]) {
    it(`gives the client the ${status} that its first byte was refused with`, async () => {
      const answer = await afterRefusedHead({ status, body: Buffer.from('no') });
      assert.ok(answer.outcome === 'refused');
      assert.deepEqual([answer.response.status, await textOf(answer.response.body)], [status, 'no']);
    });
  }

  it('follows the redirect of the first byte: a redirect alone proves nothing', async () => {
    stage.registry.delivery = { redirect: 307, redirectHead: true };
    const answer = await authorise(stage.visit(blob()), layer.digest as Digest);
    assert.equal(answer.outcome === 'permitted' && answer.permission.sizeBytes, 1000);
    assert.deepEqual(stage.sent(), ['HEAD blob', 'GET blob', 'GET data']);
    stage.registry.misbehave({ server: 'cdn' }, { status: 403 });
    stage.advance(60_000);
    assert.equal((await authorise(stage.visit(blob()), layer.digest as Digest)).outcome, 'refused');
  });

  it('does not ask for a byte of a manifest: the own GET of the client comes next', async () => {
    const image = stage.registry.content.addImage('team/app', 'v1');
    stage.registry.misbehave({ kind: 'manifest' }, { status: 405 });
    const visit = stage.visit({ path: `/v2/team/app/manifests/${image.digest}` });
    assert.equal((await authorise(visit, image.digest as Digest)).outcome, 'unproven');
    assert.deepEqual(stage.sent(), ['HEAD manifest']);
  });

  it('asks once for equal requests at the same time, and for each credential, type and name by itself', async () => {
    const rule = stage.registry.misbehave({ method: 'HEAD' }, { stall: 'head' });
    const path = `/v2/team/app/blobs/${layer.digest}`;
    const alike = [
      { path },
      { path, headers: ['User-Agent', 'x'] },
      { path, headers: ['If-None-Match', '"x"', 'Range', 'bytes=0-1'] },
    ];
    const unlike = [
      { path, headers: ['Cookie', 'a'] },
      { path, headers: ['Accept', 'a/b'] },
      { path: `${path}?ns=quay.io` },
    ];
    const asking = [...alike, ...unlike].map((asked) => askHead(stage.visit(asked)));
    await rule.stalled(4);
    rule.release();
    await Promise.all(asking);
    assert.equal(stage.sent().length, 4);
  });

  it('sends the own headers of the client, without what would shape the answer', async () => {
    const headers = [
      'Authorization',
      'Bearer t',
      'X-Own',
      '1',
      'Range',
      'bytes=0-1',
      'Accept-Encoding',
      'gzip',
      'If-None-Match',
      '"x"',
    ];
    await askHead(stage.visit({ ...blob(), headers }));
    const [sent] = stage.registry.requests;
    const names = sent?.headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    assert.deepEqual(names?.sort(), ['accept-encoding', 'authorization', 'connection', 'host', 'via', 'x-own']);
    assert.ok(sent?.headers.includes('identity'));
  });

  it('forgets what it knew when a HEAD of a manifest is refused, and not for that of a blob', async () => {
    const image = stage.registry.content.addImage('team/app', 'v1');
    const rule = stage.registry.misbehave({ method: 'HEAD' }, { status: 403 });
    const { access } = stage.context;
    const visit = stage.visit(blob());
    access.allow(visit.scope, visit.credential, DIGEST, 1, false);
    await askHead(visit);
    assert.ok(await access.permission(visit.scope, visit.credential, DIGEST));
    await askHead(stage.visit({ path: `/v2/team/app/manifests/${image.digest}` }));
    assert.equal(await access.permission(visit.scope, visit.credential, DIGEST), undefined);
    rule.remove();
  });
});
