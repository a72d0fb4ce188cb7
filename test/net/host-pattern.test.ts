import assert from 'node:assert/strict';
import { parseHostPattern, parseHostPatterns } from '../../src/net/host-pattern.js';

describe('net/host-pattern', () => {
  const table: [pattern: string, host: string, port: number, matches: boolean][] = [
    ['example.com', 'example.com', 443, true],
    ['example.com', 'example.com', 5000, true],
    ['example.com', 'www.example.com', 443, false],
    ['example.com', 'notexample.com', 443, false],
    ['Example.COM', 'example.com', 443, true],
    ['*.corp.example', 'a.corp.example', 443, true],
    ['*.corp.example', 'a.b.corp.example', 8443, true],
    ['*.corp.example', 'corp.example', 443, false],
    ['*.corp.example', 'evilcorp.example', 443, false],
    ['*.corp.example:5000', 'a.corp.example', 5000, true],
    ['*.corp.example:5000', 'a.corp.example', 443, false],
    ['registry.test:5000', 'registry.test', 5000, true],
    ['registry.test:5000', 'registry.test', 443, false],
    ['1.2.3.4', '1.2.3.4', 443, true],
    ['[::1]:5000', '::1', 5000, true],
    ['[::1]:5000', '::1', 5001, false],
    ['[0:0::1]', '::1', 1, true],
  ];
  for (const [pattern, host, port, matches] of table) {
    it(`${pattern} ${matches ? 'matches' : 'does not match'} ${host} port ${port}`, () => {
      assert.equal(parseHostPatterns([pattern]).matches(host, port), matches);
    });
  }

  for (const text of [
    '',
    '*',
    '*.',
    '**.a',
    'a.*.b',
    '*a.b',
    '::1',
    'http://a',
    'a:0',
    'a:x',
    'a b',
    '*.1.2.3.4',
    '127.1',
  ]) {
    it(`refuses ${JSON.stringify(text)} in one sentence that quotes it`, () => {
      assert.throws(
        () => parseHostPattern(text),
        (error: Error) => error.message.startsWith(`${JSON.stringify(text)} is not a host pattern; `),
      );
    });
  }

  it('tells which ports are named, and by which hosts', () => {
    const patterns = parseHostPatterns(['a.test:5000', '*.b.test:444', 'c.test', 'd.test:444']);
    assert.deepEqual(patterns.ports(), [444, 5000]);
    assert.equal(patterns.namesPort('a.test', 5000), true);
    assert.equal(patterns.namesPort('a.test', 444), false);
    assert.equal(patterns.namesPort('x.b.test', 444), true);
    assert.equal(patterns.namesPort('c.test', 444), false);
  });

  it('matches nothing when it is empty', () => {
    assert.equal(parseHostPatterns([]).matches('a.test', 443), false);
  });
});
