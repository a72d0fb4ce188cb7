import assert from 'node:assert/strict';
import { formatParent, orderProblem, parseWay } from '../../src/net/parent-address.js';

describe('net/parent-address', () => {
  const good = [
    ['http://cache.example:3128', 'http://cache.example:3128'],
    ['HTTPS://Cache.Example/', 'https://cache.example:443'],
    ['https://[2001:DB8::1]:3129', 'https://[2001:db8::1]:3129'],
    ['cache.example:3128', 'http://cache.example:3128'],
    ['10.0.0.1:3128', 'http://10.0.0.1:3128'],
    ['http://cache.example', 'http://cache.example:80'],
  ] as const;
  for (const [text, parent] of good) {
    it(`reads ${text}`, () => {
      const way = parseWay(text);
      assert.ok(way !== 'direct');
      assert.equal(formatParent(way), parent);
    });
  }

  it('reads direct', () => assert.equal(parseWay('direct'), 'direct'));

  for (const text of ['', 'socks5://a:1080', 'http://', 'http://a/path', 'http://a:0', 'http://127.1:3128', 'a b']) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseWay(text), /is no parent proxy/));
  }

  it('refuses a user and a password, and does not repeat them', () => {
    for (const text of ['http://user:hunter2@cache.example:3128', 'user:hunter2@cache.example:3128']) {
      assert.throws(
        () => parseWay(text),
        (error: Error) => /--upstream-proxy-auth/.test(error.message) && !/hunter2|user:/.test(error.message),
      );
    }
  });

  it('takes direct at the end only', () => {
    const parent = parseWay('http://a:1');
    assert.equal(orderProblem([parent, 'direct']), undefined);
    assert.equal(orderProblem(['direct']), undefined);
    assert.equal(orderProblem([]), undefined);
    assert.match(orderProblem(['direct', parent]) ?? '', /at the end/);
  });
});
