import assert from 'node:assert/strict';
import { nodeLifeWarning, nodeVersionProblem } from '../../src/cli/node-version.js';

describe('cli/node-version', () => {
  for (const version of ['20.20.0', '20.20.2', '22.0.0', '24.1.0', '26.0.0-nightly']) {
    it(`takes Node ${version}`, () => assert.equal(nodeVersionProblem(version), undefined));
  }
  for (const version of ['18.20.4', '20.19.9', '0.12.0', 'nonsense']) {
    it(`L01: refuses Node ${version} in one sentence`, () => {
      assert.equal(nodeVersionProblem(version), `entrepot needs Node 20.20 or newer; this is Node ${version}.`);
    });
  }

  const lives = [
    ['20.20.2', '2026-04-30', undefined],
    ['20.20.2', '2026-05-01', /^Node 20 gets no security fixes since 2026-04-30/],
    ['22.1.0', '2026-05-01', undefined],
    ['23.0.0', '2025-01-01', /^Node 23 is no line of long-term support/],
    ['24.0.0', '2028-05-01', /^Node 24 gets no/],
    ['40.0.0', '2040-01-01', undefined],
  ] as const;
  for (const [version, day, words] of lives) {
    it(`L01: ${words ? 'warns about' : 'is content with'} Node ${version} on ${day}`, () => {
      const warning = nodeLifeWarning(version, Date.parse(`${day}T12:00:00Z`));
      if (words) assert.match(warning ?? '', words);
      else assert.equal(warning, undefined);
    });
  }
});
