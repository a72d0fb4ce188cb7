import assert from 'node:assert/strict';
import { parseNoProxy } from '../../src/net/no-proxy.js';

describe('net/no-proxy', () => {
  const rows: readonly (readonly [entry: string, covered: readonly string[], others: readonly string[]])[] = [
    ['example.com', ['example.com:443', 'a.example.com:5000'], ['badexample.com:443', 'com:443']],
    ['.example.com', ['a.example.com:443'], ['example.com:443']],
    ['*.Example.com', ['a.b.example.com:443'], ['example.com:443']],
    ['example.com:5000', ['example.com:5000', 'a.example.com:5000'], ['example.com:443']],
    ['10.0.0.0/8', ['10.1.2.3:443'], ['11.0.0.1:443', 'a.10.example:443']],
    ['10.0.0.1', ['10.0.0.1:1'], ['10.0.0.2:1']],
    ['10.0.0.1:5000', ['10.0.0.1:5000'], ['10.0.0.1:443']],
    ['fd00::/8', ['fd00::1:443'], ['2001:db8::1:443']],
    ['[2001:db8::1]:5000', ['2001:db8::1:5000'], ['2001:db8::1:443']],
    ['2001:db8::1', ['2001:db8::1:443'], ['2001:db8::2:443']],
    ['*', ['anything.test:1'], []],
  ];
  for (const [entry, covered, others] of rows) {
    it(`reads ${entry}`, () => {
      const list = parseNoProxy([entry]);
      const covers = (place: string): boolean => {
        const at = place.lastIndexOf(':');
        return list.covers(place.slice(0, at), Number(place.slice(at + 1)));
      };
      assert.deepEqual(
        covered.filter((place) => !covers(place)),
        [],
      );
      assert.deepEqual(others.filter(covers), []);
    });
  }

  it('covers nothing where the list is empty', () => assert.equal(parseNoProxy([]).covers('a', 1), false));

  for (const text of ['', 'http://a', 'a b', '10.0.0.0/99', '127.1']) {
    it(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseNoProxy([text]), /no entry of a no-proxy list/));
  }
});
