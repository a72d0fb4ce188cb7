import assert from 'node:assert/strict';
import { type AdminStage, createAdminStage } from './admin-stage.js';

describe('admin/certificate-routes', () => {
  let stage: AdminStage;
  before(async () => {
    stage = await createAdminStage();
  });
  after(() => stage.close());

  it('gives both forms as they are offered, each with its fingerprints', async () => {
    for (const [path, text, fingerprints] of [
      ['/ca.crt', 'PEM', 'AA, BB'],
      ['/ca.der', 'DER', 'BB'],
    ] as const) {
      const answer = await stage.ask('GET', path, undefined, { authorization: '' });
      assert.equal(answer.text, text);
      assert.equal(answer.headers['x-fingerprint-sha256'], fingerprints);
    }
  });
});
