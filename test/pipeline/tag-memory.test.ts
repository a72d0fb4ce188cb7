import assert from 'node:assert/strict';
import { recallTag, rememberTag } from '../../src/pipeline/tag-memory.js';
import { digestOfBytes } from '../support/memory-store.js';
import { openStage, type Stage } from './stage.js';

const A = digestOfBytes(Buffer.from('a'));
const B = digestOfBytes(Buffer.from('b'));

describe('pipeline/tag-memory', () => {
  let stage: Stage;

  before(async () => {
    stage = await openStage();
  });
  after(() => stage.close());

  const at = (path: string) => stage.visit({ path });

  it('remembers where a tag of a repository pointed last', async () => {
    const v1 = at('/v2/team/app/manifests/v1');
    assert.equal(await recallTag(v1), undefined);
    await rememberTag(v1, A);
    await rememberTag(v1, B);
    assert.equal(await recallTag(v1), B);
    for (const path of [
      '/v2/team/app/manifests/v2',
      '/v2/team/other/manifests/v1',
      '/v2/team/app/manifests/v1?ns=quay.io',
    ]) {
      assert.equal(await recallTag(at(path)), undefined, path);
    }
  });

  it('I18: writes a tag down again that is still looked up after a week, and not more often', async () => {
    const visit = at('/v2/team/app/manifests/old');
    const { facts } = visit.context;
    const key = `${visit.scope}:old`;
    for (const days of [6, 8]) {
      const at = Date.now() - days * 86_400_000;
      await facts.set('tag', key, { digest: A, at });
      await rememberTag(visit, A);
      const row = await facts.get<{ at: number }>('tag', key);
      assert.equal(row?.at === at, days === 6);
    }
  });

  it('remembers nothing for a digest, which points to itself', async () => {
    const named = at(`/v2/team/app/manifests/${A}`);
    await rememberTag(named, B);
    assert.equal(await recallTag(named), undefined);
  });

  it('takes a row that is no digest for none', async () => {
    const v3 = at('/v2/team/app/manifests/v3');
    await rememberTag(v3, 'sha256:short' as typeof A);
    assert.equal(await recallTag(v3), undefined);
  });
});
