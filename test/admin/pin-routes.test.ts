import assert from 'node:assert/strict';
import type { PinPage } from '../../src/inventory/contract.js';
import { type AdminStage, createAdminStage } from './admin-stage.js';

const ABSENT = `sha256:${'0'.repeat(64)}`;

describe('admin/pin-routes', () => {
  let stage: AdminStage;
  beforeEach(async () => {
    stage = await createAdminStage();
  });
  afterEach(() => stage.close());

  async function pinned(query = ''): Promise<PinPage> {
    return (await stage.ask('GET', `/api/v1/pins${query}`)).json as PinPage;
  }

  it('pins and unpins a digest', async () => {
    const { status, json } = await stage.ask('PUT', `/api/v1/pins/${ABSENT}`);
    assert.deepEqual([status, (json as { digest: string }).digest], [200, ABSENT]);
    assert.deepEqual(
      (await pinned()).pins.map(({ digest }) => digest),
      [ABSENT],
    );
    assert.deepEqual((await stage.ask('DELETE', `/api/v1/pins/${ABSENT}`)).json, { digest: ABSENT });
    assert.equal((await stage.ask('DELETE', `/api/v1/pins/${ABSENT}`)).status, 404);
    assert.deepEqual(await pinned(), { pins: [] });
  });

  it('pins and unpins an image', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    assert.equal((await stage.ask('PUT', '/api/v1/pins?image=a.test/x:v1')).status, 200);
    assert.equal((await stage.ask('PUT', '/api/v1/pins?image=a.test/x:v2')).status, 404);
    assert.ok(stage.pins.has(image.digest));
    assert.equal((await stage.ask('DELETE', '/api/v1/pins?image=a.test/x:v1')).status, 200);
    assert.equal(stage.pins.size, 0);
  });

  it('lists in pages', async () => {
    for (let n = 0; n < 3; n += 1) await stage.ask('PUT', `/api/v1/pins/sha256:${`${n}`.repeat(64)}`);
    const { pins, next = '' } = await pinned('?limit=2');
    assert.equal(pins.length, 2);
    assert.equal((await pinned(`?limit=2&cursor=${next}`)).pins.length, 1);
  });

  it('says of bad input what was expected', async () => {
    for (const [method, path, error] of [
      ['PUT', '/api/v1/pins', 'image is missing.'],
      ['PUT', '/api/v1/pins/x', /^digest must be a digest: sha256/],
      ['PUT', '/api/v1/pins?image=a.test/x', /names no single image/],
      ['GET', '/api/v1/pins?cursor=x', /^cursor is not one/],
    ] as const) {
      const { status, json } = await stage.ask(method, path);
      assert.equal(status, 400, path);
      assert.match((json as { error: string }).error, error instanceof RegExp ? error : new RegExp(error));
    }
  });
});
