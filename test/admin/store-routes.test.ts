import assert from 'node:assert/strict';
import type { BlobPage, ImagePage, RemovalReport } from '../../src/inventory/contract.js';
import { type AdminStage, createAdminStage } from './admin-stage.js';

const ABSENT = `sha256:${'0'.repeat(64)}`;

describe('admin/store-routes', () => {
  let stage: AdminStage;
  beforeEach(async () => {
    stage = await createAdminStage();
  });
  afterEach(() => stage.close());

  async function errorOf(method: string, path: string): Promise<readonly [number, string]> {
    const { status, json } = await stage.ask(method, path);
    return [status, (json as { error: string }).error];
  }

  it('lists contents in pages, exactly as the store has them', async () => {
    for (const size of [10, 20, 30]) await stage.put('a.test x', Buffer.alloc(size));
    const first = (await stage.ask('GET', '/api/v1/blobs?sort=size&limit=2')).json as BlobPage;
    assert.deepEqual(first, JSON.parse(JSON.stringify(await stage.operations.blobs({ sort: 'size', limit: 2 }))));
    const second = await stage.ask(
      'GET',
      `/api/v1/blobs?sort=size&limit=2&cursor=${encodeURIComponent(first.next ?? '')}`,
    );
    assert.deepEqual(
      (second.json as BlobPage).blobs.map(({ sizeBytes }) => sizeBytes),
      [10],
    );
    assert.equal((second.json as BlobPage).next, undefined);
  });

  it('tells of one content, of sha512 too, and removes it', async () => {
    const { digest } = await stage.put('a.test x', Buffer.from('content'));
    const { json } = await stage.ask('GET', `/api/v1/blobs/${digest}`);
    assert.deepEqual(json, JSON.parse(JSON.stringify(await stage.operations.blob(digest))));
    const removed = await stage.ask('DELETE', `/api/v1/blobs/${digest}`);
    assert.equal((removed.json as RemovalReport).removed.entries, 1);
    assert.equal((await stage.ask('DELETE', `/api/v1/blobs/${digest}`)).status, 404);
    assert.equal((await stage.ask('GET', `/api/v1/blobs/sha512:${'0'.repeat(128)}`)).status, 404);
  });

  it('removes nothing that is pinned', async () => {
    const { digest } = await stage.put('a.test x', Buffer.from('content'));
    stage.pins.add(digest);
    assert.deepEqual(await errorOf('DELETE', `/api/v1/blobs/${digest}`), [
      409,
      'it is pinned; take the pin away first',
    ]);
    assert.equal(await stage.holds(digest), true);
  });

  it('lists images, of a registry or repository where it is asked to', async () => {
    await stage.image('docker.io library/alpine', '3.20', ['a']);
    await stage.image('b.test y', 'v1', ['b']);
    const names = async (query: string): Promise<string[]> =>
      ((await stage.ask('GET', `/api/v1/images${query}`)).json as ImagePage).images.map(({ image }) => image);
    assert.deepEqual(await names(''), ['b.test/y:v1', 'docker.io/library/alpine:3.20']);
    assert.deepEqual(await names('?registry=b.test'), ['b.test/y:v1']);
    assert.deepEqual(await names('?repository=docker.io%2Flibrary%2Falpine'), ['docker.io/library/alpine:3.20']);
    const page = (await stage.ask('GET', '/api/v1/images?limit=1')).json as ImagePage;
    assert.deepEqual(page, JSON.parse(JSON.stringify(await stage.operations.images({ limit: 1 }))));
  });

  it('shows an image with its whole tree', async () => {
    const child = await stage.image('a.test x', undefined, ['base', 'own']);
    await stage.index('a.test x', 'v1', [child]);
    const { json } = await stage.ask('GET', '/api/v1/image?name=a.test/x:v1');
    assert.deepEqual(json, JSON.parse(JSON.stringify(await stage.operations.image('a.test/x:v1'))));
    assert.equal((await stage.ask('GET', '/api/v1/image?name=a.test/x:v2')).status, 404);
  });

  it('says of bad input what was expected', async () => {
    const digestText = 'digest must be a digest: sha256: and 64, or sha512: and 128, lower-case hex digits.';
    const limitText = 'limit must be how many a page holds at most, from 1 to 1000.';
    const cursorText = 'cursor is not one that a page of this listing gave as next.';
    for (const [path, error] of [
      ['/api/v1/blobs?limit=0', limitText],
      ['/api/v1/blobs?limit=1001', limitText],
      ['/api/v1/blobs?limit=99999999999999999999', limitText],
      ['/api/v1/blobs?limit=1.5', limitText],
      ['/api/v1/blobs?limit=x', limitText],
      ['/api/v1/blobs?limit=1&limit=2', limitText],
      ['/api/v1/blobs?sort=name', 'sort must be used (the longest unused first), size (the largest first) or digest.'],
      ['/api/v1/blobs?order=size', '"order" is unknown here; this takes limit, cursor, sort.'],
      ['/api/v1/blobs?cursor=x', cursorText],
      [`/api/v1/blobs?cursor=${'x'.repeat(5_000)}`, 'cursor must be next of the page before.'],
      ['/api/v1/images?cursor=x', cursorText],
      ['/api/v1/images?cursor=e30', cursorText],
      ['/api/v1/image', 'name is missing.'],
      ['/api/v1/blobs/sha256:abc', digestText],
      [`/api/v1/blobs/${ABSENT.toUpperCase()}`, digestText],
      [`/api/v1/blobs/${'a'.repeat(300)}`, 'bad request'],
      ['/api/v1/blobs/..%2f..%2fca.key', digestText],
    ] as const) {
      const [status, said] = await errorOf('GET', path);
      assert.deepEqual([status, said], [400, error], path);
    }
    const [status, said] = await errorOf('GET', '/api/v1/images?registry=a%20b');
    assert.equal(status, 400);
    assert.match(said, /^"a b\/" names nothing that can be stored; write docker\.io/);
  });

  it('K05: gives names that would run in a page as JSON that no browser takes for one', async () => {
    await stage.facts.set('link', `a.test <script>alert(1)</script> ${ABSENT}`, {});
    await stage.facts.set('tag', 'a.test x:<img/src=x>', {
      digest: (await stage.put('a.test x', Buffer.from('x'))).digest,
    });
    const { headers } = await stage.ask('GET', '/api/v1/images');
    assert.match(headers['content-type'] ?? '', /^application\/json/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.match(String(headers['content-security-policy']), /^default-src 'none'/);
  });
});
