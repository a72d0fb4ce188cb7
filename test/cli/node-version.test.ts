import assert from 'node:assert/strict';
import { nodeVersionProblem } from '../../src/cli/node-version.js';

describe('cli/node-version', () => {
  for (const version of ['20.20.0', '20.20.2', '22.0.0', '24.1.0', '26.0.0-nightly']) {
    it(`takes Node ${version}`, () => assert.equal(nodeVersionProblem(version), undefined));
  }
  for (const version of ['18.20.4', '20.19.9', '0.12.0', 'nonsense']) {
    it(`refuses Node ${version} in one sentence`, () => {
      assert.equal(nodeVersionProblem(version), `entrepot needs Node 20.20 or newer; this is Node ${version}.`);
    });
  }
});
