import assert from 'node:assert/strict';
import { cacheVerify } from '../../src/cli/cache-verify.js';
import { digestOf } from '../../src/oci/digest.js';
import { createAdminStage } from '../admin/admin-stage.js';
import { type CacheStage, createCacheStage } from './cache-stage.js';
import { createFakeIo } from './fake-io.js';

describe('cli/cache-verify', () => {
  let stage: CacheStage;
  beforeEach(async () => {
    stage = await createCacheStage();
  });
  afterEach(() => stage.close());

  it('verifies everything, an image or a content', async () => {
    const image = await stage.image('a.test x', 'v1', ['a']);
    const all = await stage.run('cache', 'verify');
    assert.deepEqual(all, { code: 0, out: 'Checked 2 contents of 30 B.\nAll is well.\n', error: '' });
    await stage.run('cache', 'verify', 'a.test/x:v1');
    await stage.run('cache', 'verify', image.digest);
    assert.deepEqual(
      stage.verified.map((digests) => digests?.length),
      [undefined, 3, 1],
    );
    const { out } = await stage.run('cache', 'verify', '--json');
    assert.equal((JSON.parse(out) as { checked: number }).checked, 2);
  });

  it('fails where something is not as it should be, and says what', async () => {
    const digest = digestOf('sha256', '1'.repeat(64));
    const report = {
      checked: 9,
      checkedBytes: 10,
      bad: 1,
      missing: 2,
      unreadable: 3,
      badDigests: [digest],
      aborted: true,
    };
    const other = await createAdminStage({ inventory: { ...stage.operations, verify: async () => report } });
    try {
      const io = createFakeIo({ env: { HOME: '/nowhere', ENTREPOT_ADMIN_TOKEN: other.token } });
      const code = await cacheVerify.run({ flags: {}, json: false, own: { admin: other.url.href }, operands: [] }, io);
      assert.equal(code, 1);
      assert.deepEqual(io.written.out.split('\n'), [
        'Checked 9 contents of 10 B, then it was interrupted.',
        'Damaged: 1. They are in quarantine, and fetched again when somebody asks for them:',
        `  ${digest}`,
        'Missing: 2.',
        'Could not be read: 3.',
        '',
      ]);
    } finally {
      await other.close();
    }
  });

  it('fails for what is not there, and says what it takes', async () => {
    assert.deepEqual(await stage.run('cache', 'verify', 'a.test/x:v1'), {
      code: 1,
      out: '',
      error: 'entrepot: a.test/x:v1 is not in the store.\n',
    });
    assert.equal((await stage.run('cache', 'verify', 'a.test')).code, 2);
  });
});
