import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import { offerProof } from '../../src/pipeline/offer-proof.js';
import { openStage, type Stage } from './stage.js';

describe('pipeline/offer-proof', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.close());

  async function offer(query: string): Promise<boolean> {
    const image = stage.registry.content.addImage('team/app', 'v1');
    const visit = stage.visit({ path: `/v2/team/app/manifests/v1${query}` });
    offerProof(visit, image.digest as Digest, image.bytes.length);
    await stage.context.publicProofs.idle();
    return stage.context.access.isPublic(visit.scope, image.digest as Digest);
  }

  it('has the manifest of a repository asked about', async () => {
    assert.equal(await offer(''), true);
  });

  it('proves nothing about a registry behind a mirror: a stranger would be shown another one', async () => {
    assert.equal(await offer('?ns=quay.io'), false);
    assert.equal(stage.registry.hits({ own: true }), 0);
  });
});
