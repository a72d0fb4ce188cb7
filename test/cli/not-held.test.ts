import assert from 'node:assert/strict';
import { describeNotHeld } from '../../src/cli/not-held.js';
import { createStage } from '../inventory/stage.js';
import { type CacheStage, createCacheStage } from './cache-stage.js';

const PLAIN = 'http://lab.test:5000';

describe('cli/not-held', () => {
  it('names what came over plain HTTP, whole, by repository and by registry', async () => {
    const stage = createStage();
    await stage.image(`${PLAIN} team/app`, 'v1', ['a']);
    for (const name of ['lab.test:5000/team/app:v1', 'lab.test:5000/team/app', 'lab.test:5000/']) {
      assert.equal(
        await describeNotHeld(stage.operations, name),
        `${name} is not in the store, but http://${name} is: only what came over plain HTTP has http:// in front of its name`,
      );
    }
  });

  it('names what came over TLS, where http:// was written', async () => {
    const stage = createStage();
    await stage.image('lab.test:5000 team/app', 'v1', ['a']);
    assert.match(
      await describeNotHeld(stage.operations, `${PLAIN}/team/app:v1`),
      /, but lab\.test:5000\/team\/app:v1 is: only what came over plain HTTP has http:/,
    );
  });

  it('says no more where neither has it, for digests, and for names that may be no host', async () => {
    const stage = createStage();
    await stage.image('http://alpine x', 'v1', ['a']);
    const digest = `sha256:${'0'.repeat(64)}`;
    for (const name of ['lab.test/team/app:v1', 'alpine/x:v1', 'alpine:3.20', digest, 'what is this', 'http://'])
      assert.equal(await describeNotHeld(stage.operations, name), `${name} is not in the store`);
  });

  describe('in commands', () => {
    let stage: CacheStage;
    before(async () => {
      stage = await createCacheStage();
      await stage.image(`${PLAIN} team/app`, 'v1', ['a']);
    });
    after(() => stage.close());

    for (const command of ['show', 'rm', 'pin', 'unpin', 'verify']) {
      it(`is told by ${command}`, async () => {
        const { code, error } = await stage.run('cache', command, 'lab.test:5000/team/app:v1');
        assert.equal(code, 1);
        assert.match(error, /^entrepot: .* is not in the store, but http:\/\/lab\.test:5000\/team\/app:v1 is/);
      });
    }

    it('is told by ls beside an empty list', async () => {
      const { code, out, error } = await stage.run('cache', 'ls', 'lab.test:5000/', '--json');
      assert.deepEqual([code, out], [0, '[]\n']);
      assert.match(error, /but http:\/\/lab\.test:5000\/ is/);
      assert.equal((await stage.run('cache', 'ls')).error, '');
    });
  });
});
