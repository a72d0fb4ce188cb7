import assert from 'node:assert/strict';
import { settingsFinder } from '../../src/registries/settings.js';

describe('registries/settings', () => {
  const patterns = [
    '*.example',
    '*.corp.example',
    'registry.corp.example',
    'registry.corp.example:5000',
    '*.example:5000',
  ];
  const find = settingsFinder(patterns.map((pattern) => ({ pattern })));

  const cases = [
    ['a.example', 443, '*.example'],
    ['a.example', 5000, '*.example:5000'],
    ['a.corp.example', 443, '*.corp.example'],
    ['a.corp.example', 5000, '*.corp.example'],
    ['registry.corp.example', 443, 'registry.corp.example'],
    ['registry.corp.example', 5000, 'registry.corp.example:5000'],
    ['example', 443, undefined],
    ['example.com', 443, undefined],
  ] as const;
  for (const [host, port, pattern] of cases) {
    it(`finds ${pattern ?? 'nothing'} for ${host} port ${port}`, () => {
      assert.equal(find(host, port)?.pattern, pattern);
    });
  }

  it('finds nothing where nothing is configured', () => {
    assert.equal(settingsFinder([])('a.example', 443), undefined);
  });

  it('refuses what is no pattern', () => {
    assert.throws(() => settingsFinder([{ pattern: '*' }]), /not a host pattern/);
  });
});
