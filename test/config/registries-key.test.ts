import assert from 'node:assert/strict';
import { type ReadRegistries, readRegistries } from '../../src/config/registries-key.js';
import type { OptionText } from '../../src/config/schema.js';

type Table = Readonly<Record<string, Readonly<Record<string, OptionText>>>>;

/** Each name on a line of ten, its keys on those that follow. */
function read(table: Table): ReadRegistries {
  const groups = Object.entries(table).map(([name, fields], index) => ({
    name,
    line: index * 10 + 2,
    entries: Object.entries(fields).map(([key, value], at) => ({ key, value, line: index * 10 + 3 + at })),
  }));
  return readRegistries(groups, '/etc/e/c.yaml');
}

describe('config/registries-key', () => {
  it('reads files relative to its own, and remembers where each entry stands', () => {
    const { registries, problems } = read({
      '*.corp.example': { ca: 'corp.pem', clientCert: '/k/us.crt', clientKey: '../us.key' },
      'old.example:5000': { insecure: 'true' },
      'plain.example': { insecure: 'false' },
    });
    assert.deepEqual(problems, []);
    assert.deepEqual(registries, [
      {
        pattern: '*.corp.example',
        origin: '/etc/e/c.yaml:2',
        ca: '/etc/e/corp.pem',
        clientCert: '/k/us.crt',
        clientKey: '/etc/us.key',
        insecure: false,
      },
      {
        pattern: 'old.example:5000',
        origin: '/etc/e/c.yaml:12',
        ca: undefined,
        clientCert: undefined,
        clientKey: undefined,
        insecure: true,
      },
      {
        pattern: 'plain.example',
        origin: '/etc/e/c.yaml:22',
        ca: undefined,
        clientCert: undefined,
        clientKey: undefined,
        insecure: false,
      },
    ]);
  });

  it('C07: reads where the lists of revoked certificates are', () => {
    const { registries, problems } = read({ 'corp.example': { crl: 'corp.crl' } });
    assert.deepEqual(problems, []);
    assert.equal(registries[0]?.crl, '/etc/e/corp.crl');
  });

  it('reads other ways, limits, and that there is no TLS', () => {
    const { registries, problems } = read({
      'a.example': { upstreamProxy: ['http://cache:3128', 'direct'], maxConnections: '8', maxRate: '10MB' },
      'b.example:5000': { upstreamProxy: 'direct', plainHttp: 'true' },
    });
    assert.deepEqual(problems, []);
    const [a, b] = registries;
    assert.deepEqual(a?.upstreamProxy, [{ scheme: 'http', host: 'cache', port: 3128 }, 'direct']);
    assert.deepEqual([a?.maxConnections, a?.maxBytesPerSecond, a?.plainHttp], [8, 10_000_000, undefined]);
    assert.deepEqual([b?.upstreamProxy, b?.plainHttp, b?.maxConnections], [['direct'], true, undefined]);
  });

  const wrong: readonly (readonly [what: string, table: Table, problem: RegExp])[] = [
    ['what is no host pattern', { 'http://a': {} }, /^\/etc\/e\/c\.yaml:2: "http:\/\/a" is not a host pattern/],
    [
      'the same hosts twice',
      { 'A.example': {}, 'a.example': {} },
      /:12: a\.example names the same hosts as A\.example\.$/,
    ],
    ['no parent proxy', { a: { upstreamProxy: 'socks5://x' } }, /:3: "socks5:\/\/x" is no parent proxy/],
    ['direct before a parent', { a: { upstreamProxy: ['direct', 'http://x'] } }, /:3: direct stands at the end/],
    ['no count', { a: { maxConnections: '0' } }, /:3: maxConnections: "0" is not a count/],
    ['no rate', { a: { maxRate: 'fast' } }, /:3: maxRate: "fast" is not a size/],
    ['no flag', { a: { plainHttp: 'yes' } }, /:3: plainHttp is true or false/],
    ['TLS for what has none', { a: { plainHttp: 'true', ca: 'x' } }, /:2: a has settings of TLS that plainHttp/],
    ['an unknown key', { a: { Ca: 'x' } }, /:3: Ca is no setting of a registry\. Did you mean ca\?$/],
    ['several values', { a: { ca: ['x', 'y'] } }, /:3: ca takes one value\.$/],
    ['an empty value', { a: { ca: '' } }, /:3: ca takes one value\.$/],
    ['a word for insecure', { a: { insecure: 'yes' } }, /:3: insecure is true or false\.$/],
    [
      'a certificate without key',
      { a: { clientCert: 'x' } },
      /:2: a needs both clientCert and clientKey, or neither\.$/,
    ],
    ['a key without certificate', { a: { clientKey: 'x' } }, /:2: a needs both/],
    ['a root that nobody asks', { a: { ca: 'x', insecure: 'true' } }, /:2: a has a ca that insecure makes useless\.$/],
    [
      'a list that nobody asks',
      { a: { crl: 'x', insecure: 'true' } },
      /:2: a has a crl that insecure makes useless\.$/,
    ],
    ['a name of JavaScript', { a: { constructor: 'x' } }, /:3: constructor is no setting/],
  ];
  for (const [what, table, problem] of wrong) {
    it(`refuses ${what}`, () => {
      const { problems } = read(table);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0] ?? '', problem);
    });
  }

  it('gives all problems at once', () => {
    assert.equal(read({ '*': { x: '1', clientKey: 'k' }, b: { insecure: '1' } }).problems.length, 4);
  });
});
