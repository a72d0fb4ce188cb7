import assert from 'node:assert/strict';
import http from 'node:http';
import type { InventoryOperations, RemovalReport } from '../../src/inventory/contract.js';
import { type AdminStage, createAdminStage } from './admin-stage.js';

const LINES = { accept: 'application/x-ndjson' };

describe('admin/work-routes', () => {
  let stage: AdminStage;
  let remove: InventoryOperations['remove'] | undefined;
  beforeEach(async () => {
    remove = undefined;
    stage = await createAdminStage();
  });
  afterEach(() => stage.close());

  /** The same API, with a removal that the test is master of. */
  async function withRemove(own: InventoryOperations['remove']): Promise<AdminStage> {
    remove = own;
    const slow: InventoryOperations = { ...stage.operations, remove };
    return createAdminStage({ inventory: slow });
  }

  it('removes what is named and answers with the report', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    const dry = await stage.ask('POST', '/api/v1/prune', { image: 'a.test/x:v1', dryRun: true });
    assert.equal((dry.json as RemovalReport).removed.entries, 3);
    assert.equal(stage.memory.usage.entries, 3);
    const wet = await stage.ask('POST', '/api/v1/prune', { image: 'a.test/x:v1' });
    assert.equal(wet.headers['content-type'], 'application/json; charset=utf-8');
    assert.deepEqual(wet.json, { ...(dry.json as object), dryRun: false });
    assert.equal(stage.memory.usage.entries, 0);
  });

  it('removes by registry, repository, age and size', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    for (const body of [{ registry: 'a.test' }, { repository: 'a.test/x' }, { unusedMs: 0 }, { toBytes: 0 }]) {
      stage.time += 1;
      const { json } = await stage.ask('POST', '/api/v1/prune', { ...body, dryRun: true });
      assert.equal((json as RemovalReport).removed.entries, 3, JSON.stringify(body));
    }
  });

  it('gives lines where they are asked for, the report last', async () => {
    const { status, headers, text } = await stage.ask('POST', '/api/v1/verify', {}, LINES);
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/x-ndjson');
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { report?: { checked: number } });
    assert.equal(lines.at(-1)?.report?.checked, 2);
    assert.deepEqual(stage.verified, [undefined]);
  });

  it('answers 404 for what is not there, with lines or without', async () => {
    for (const headers of [{}, LINES]) {
      const { status, json } = await stage.ask('POST', '/api/v1/prune', { image: 'a.test/x:v1' }, headers);
      assert.equal(status, 404);
      assert.deepEqual(json, { error: 'nothing of that name is in the store' });
    }
  });

  it('says of bad input what was expected', async () => {
    const { digest } = await stage.put('a.test x', Buffer.from('kept'));
    for (const [body, error] of [
      [{}, /^Say what to remove: /],
      [{ image: 'a.test/x' }, /names no single image/],
      [{ image: 'a.test/x:v1', registry: 'a.test' }, /^image and registry exclude each other/],
      [{ digest: 'x' }, /^digest must be a digest/],
      [
        { digest, dryrun: true },
        /^"dryrun" is unknown here; this takes digest, image, repository, registry, unusedMs, /,
      ],
      [{ unusedMs: -1 }, /^unusedMs must be only what nobody used for so many milliseconds/],
      [{ toBytes: 1, registry: 'a.test' }, /^toBytes stands alone/],
      [{ dryRun: 'maybe', unusedMs: 1 }, /^dryRun must be true to tell/],
      // What a script has not found out is no zero: that would remove everything.
      [{ unusedMs: null }, /^unusedMs must be only what/],
      [{ toBytes: null }, /^toBytes must be the size/],
      [{ toBytes: false }, /^toBytes must be the size/],
      [{ toBytes: '1' }, /^toBytes must be the size/],
      [{ dryRun: 'false', unusedMs: 1 }, /^dryRun must be true to tell/],
      [{ dryRun: null, unusedMs: 1 }, /^dryRun must be true to tell/],
      [{ digest: [digest] }, /^digest must be a digest/],
      ['{', /^the body is not JSON$/],
      ['[]', /this takes digest/],
      ['null', /this takes digest/],
      ['', /./],
    ] as const) {
      for (const headers of [{}, LINES]) {
        const { status, json } = await stage.ask('POST', '/api/v1/prune', body, headers);
        assert.equal(status, 400, JSON.stringify(body));
        assert.match((json as { error: string }).error, error, JSON.stringify(body));
      }
    }
    assert.equal(await stage.holds(digest), true);
  });

  it('K03: takes a body for nothing that a web page can send unasked', async () => {
    await stage.image('a.test x', 'v1', ['a']);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const { status } = await stage.ask('POST', '/api/v1/prune', '{"registry":"a.test"}', { 'content-type': type });
      assert.equal(status, 415, type);
    }
    assert.equal(stage.memory.usage.entries, 3);
  });

  it('tells progress while the work goes on', async () => {
    let finish: (() => void) | undefined;
    const other = await withRemove(async (_selection, _dryRun, work) => {
      work?.onProgress?.({ share: 0.25, text: 'a quarter' });
      await new Promise<void>((resolve) => (finish = resolve));
      return (await stage.operations.remove({ toBytes: 0 }, true)) ?? undefined;
    });
    try {
      const lines: string[] = [];
      await new Promise<void>((resolve, reject) => {
        const headers = { ...LINES, authorization: `Bearer ${other.token}`, 'content-type': 'application/json' };
        const request = http.request(new URL('/api/v1/prune', other.url), { method: 'POST', headers, agent: false });
        request.on('error', reject).on('response', (response) => {
          response.on('data', (chunk: Buffer) => {
            lines.push(chunk.toString());
            finish?.();
          });
          response.on('end', resolve);
        });
        request.end('{"toBytes":0}');
      });
      assert.deepEqual(JSON.parse(lines[0] ?? ''), { progress: { share: 0.25, text: 'a quarter' } });
      assert.match(lines.join(''), /"report":\{"dryRun":true/);
    } finally {
      await other.close();
    }
  });

  it('ends the work when its client goes away', async () => {
    let ended: (() => void) | undefined;
    const hasEnded = new Promise<void>((resolve) => (ended = resolve));
    let begun: (() => void) | undefined;
    const hasBegun = new Promise<void>((resolve) => (begun = resolve));
    const other = await withRemove(async (_selection, _dryRun, work) => {
      begun?.();
      await new Promise<void>((resolve) => work?.signal?.addEventListener('abort', () => resolve()));
      ended?.();
      return undefined;
    });
    try {
      for (const more of [{}, LINES]) {
        const headers = { ...more, authorization: `Bearer ${other.token}`, 'content-type': 'application/json' };
        const request = http.request(new URL('/api/v1/prune', other.url), { method: 'POST', headers, agent: false });
        request.on('error', () => {});
        request.end('{"toBytes":0}');
        await hasBegun;
        request.destroy();
        await hasEnded;
      }
    } finally {
      await other.close();
    }
  });

  it('does two works at a time, and asks others to come again', async () => {
    let release: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const begun: string[] = [];
    const other = await withRemove(async () => {
      begun.push('one');
      await released;
      return undefined;
    });
    try {
      const first = [
        other.ask('POST', '/api/v1/prune', { toBytes: 0 }),
        other.ask('POST', '/api/v1/prune', { toBytes: 0 }),
      ];
      while (begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
      const third = await other.ask('POST', '/api/v1/prune', { toBytes: 0 });
      assert.equal(third.status, 503);
      assert.equal(third.headers['retry-after'], '10');
      release?.();
      for (const answer of await Promise.all(first)) assert.equal(answer.status, 404);
      assert.equal((await other.ask('POST', '/api/v1/prune', { toBytes: 0 })).status, 404);
    } finally {
      await other.close();
    }
  });

  it('tells nothing of a fault inside, with lines or without', async () => {
    const other = await withRemove(() => Promise.reject(new Error('secret')));
    try {
      for (const headers of [{}, LINES]) {
        const { status, json } = await other.ask('POST', '/api/v1/prune', { toBytes: 0 }, headers);
        assert.deepEqual([status, json], [500, { error: 'internal error' }]);
      }
    } finally {
      await other.close();
    }
  });
});
