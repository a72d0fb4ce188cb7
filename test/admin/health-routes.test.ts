import assert from 'node:assert/strict';
import { createAdminStage } from './admin-stage.js';

const NOTHING = { bytes: 0, entries: 0 };

describe('admin/health-routes', () => {
  it('passes figures on that join later', async () => {
    const stage = await createAdminStage();
    try {
      const { json } = await stage.ask('GET', '/api/v1/stats');
      assert.deepEqual(json, {
        store: { ...NOTHING, damaged: 0, quarantine: NOTHING, kept: NOTHING },
        later: 'figure',
      });
    } finally {
      await stage.close();
    }
  });

  it('tells faults to everybody who asks for readiness', async () => {
    const stage = await createAdminStage({ readiness: () => ({ ready: false, faults: ['no disk'] }) });
    try {
      const { status, json } = await stage.ask('GET', '/readyz', undefined, { authorization: '' });
      assert.deepEqual([status, json], [503, { ready: false, faults: ['no disk'], warnings: [] }]);
    } finally {
      await stage.close();
    }
  });
});
