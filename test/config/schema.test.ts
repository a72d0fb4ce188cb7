import assert from 'node:assert/strict';
import type { OptionName } from '../../src/config/option-table.js';
import { type OptionText, readOptions } from '../../src/config/schema.js';

const VALID: Readonly<Record<OptionName, OptionText>> = {
  listen: '127.0.0.1:3128',
  'admin-listen': 'off',
  'data-dir': '/data',
  'ca-dir': '/ca',
  'ca-name-constraints': [],
  intercept: ['auto'],
  tunnel: [],
  deny: [],
  'connect-ports': ['443'],
  'allow-clients': ['10.0.0.0/8'],
  'proxy-auth': '',
  'max-client-connections': '256',
  'max-connections': '4096',
  'admin-hosts': ['admin.example'],
  'egress-allow': [],
  'egress-deny': [],
  'upstream-ca': [],
  'upstream-proxy': ['http://cache.example:3128', 'direct'],
  'upstream-proxy-auth': '',
  'upstream-no-proxy': ['.internal'],
  resolve: ['registry.example=10.0.0.5'],
  'upstream-connections': '64',
  'upstream-rate': '10MB',
  'upstream-connect-timeout': '5s',
  'upstream-tls-timeout': '4s',
  'upstream-first-byte-timeout': '30s',
  'upstream-idle-timeout': '60s',
  'upstream-min-rate': '1KiB',
  access: 'check',
  outage: 'serve',
  offline: 'false',
  'tag-ttl': '0s',
  'grant-ttl': '60s',
  'public-ttl': '1h',
  'link-max-age': '30d',
  'max-size': '80%',
  'min-free': '5GiB',
  'max-age': 'off',
  pins: ['registry.k8s.io/pause*'],
  scrub: '30d',
  drain: '30s',
  'log-level': 'info',
  'log-format': 'json',
};

function complaintsOf(change: Partial<Record<OptionName, OptionText>>): readonly string[] {
  const read = readOptions({ ...VALID, ...change });
  return 'complaints' in read ? read.complaints.map(({ name, sentence }) => `${name}: ${sentence}`) : [];
}

describe('config/schema', () => {
  it('reads every option into its own form', () => {
    assert.deepEqual(readOptions(VALID), {
      config: {
        listen: { host: '127.0.0.1', port: 3128 },
        adminListen: undefined,
        dataDir: '/data',
        caDir: '/ca',
        caNameConstraints: [],
        intercept: ['auto'],
        tunnel: [],
        deny: [],
        connectPorts: [443],
        allowClients: ['10.0.0.0/8'],
        proxyAuth: undefined,
        maxClientConnections: 256,
        maxConnections: 4096,
        adminHosts: ['admin.example'],
        egressAllow: [],
        egressDeny: [],
        upstreamCa: [],
        upstreamProxy: ['http://cache.example:3128', 'direct'],
        upstreamProxyAuth: undefined,
        upstreamNoProxy: ['.internal'],
        resolve: ['registry.example=10.0.0.5'],
        upstreamConnections: 64,
        upstreamBytesPerSecond: 10_000_000,
        upstreamTimeouts: {
          connectMs: 5000,
          tlsMs: 4000,
          headMs: 30_000,
          idleMs: 60_000,
          minBytesPerSecond: 1024,
        },
        access: 'check',
        outage: 'serve',
        offline: false,
        tagTtlMs: 0,
        grantTtlMs: 60_000,
        publicTtlMs: 3_600_000,
        linkMaxAgeMs: 2_592_000_000,
        maxSize: { share: 0.8 },
        minFree: { bytes: 5_368_709_120 },
        maxAgeMs: undefined,
        pins: ['registry.k8s.io/pause*'],
        scrubRoundMs: 2_592_000_000,
        drainMs: 30_000,
        logLevel: 'info',
        logFormat: 'json',
      },
    });
  });

  const wrong: readonly [string, Partial<Record<OptionName, OptionText>>, RegExp][] = [
    ['a listen address', { listen: 'nowhere' }, /^listen: "nowhere" is not an address to listen on/],
    ['an admin address', { 'admin-listen': 'on' }, /^admin-listen: "on" is not an address/],
    ['off for the proxy itself', { listen: 'off' }, /^listen: "off" is not an address/],
    ['an empty path', { 'data-dir': '' }, /^data-dir: a path is needed/],
    ['a parent proxy', { 'upstream-proxy': ['socks5://a:1'] }, /^upstream-proxy: "socks5:\/\/a:1" is no parent proxy/],
    ['a no-proxy entry', { 'upstream-no-proxy': ['http:'] }, /^upstream-no-proxy: "http:" is no entry/],
    ['an address for a host', { resolve: ['a=b'] }, /^resolve: "a=b" names no address/],
    ['a timeout', { 'upstream-idle-timeout': '0' }, /^upstream-idle-timeout: 0 leaves no time/],
    ['a rate', { 'upstream-min-rate': '5 per s' }, /^upstream-min-rate: "5 per s" is not a size/],
    ['a share', { 'max-size': '101%' }, /^max-size: 101% is more than the whole file system/],
    ['no room at all', { 'max-size': '0' }, /^max-size: 0 is too little to store anything/],
    ['all of the disk free', { 'min-free': '100%' }, /^min-free: 100% leaves no room/],
    ['a size to keep free', { 'min-free': 'some' }, /^min-free: "some" is not a size/],
    ['an age', { 'max-age': '5m' }, /^max-age: 5m is too short; 1h is the least/],
    ['an image', { pins: ['alpine'] }, /^pins: "alpine" names no images/],
    ['a duration', { 'grant-ttl': '60' }, /^grant-ttl: "60" is not a duration/],
    ['a port', { 'connect-ports': ['443', 'https'] }, /^connect-ports: "https" is not a port/],
    ['a constraint', { 'ca-name-constraints': ['ghcr.io:443'] }, /^ca-name-constraints: "ghcr\.io:443" names a port/],
    ['a range', { 'egress-deny': ['10.0.0.0/33'] }, /^egress-deny: "10\.0\.0\.0\/33" is not an address range/],
    ['a pattern', { deny: ['a b'] }, /^deny: "a b" is not a host pattern/],
    ['a pattern to intercept', { intercept: ['auto', 'a b'] }, /^intercept: "a b" is not a host pattern/],
    ['a pattern to tunnel', { tunnel: ['a..b'] }, /^tunnel: "a\.\.b" is not a host pattern/],
    ['no host to intercept', { intercept: [] }, /^intercept: the list is empty; write none/],
    ['all beside others', { intercept: ['all', 'ghcr.io'] }, /^intercept: all stands alone/],
    ['none beside others', { intercept: ['auto', 'none'] }, /^intercept: none stands alone/],
    ['an unknown word', { access: 'opne' }, /^access: "opne" is none of check, open\.$/],
    ['a mistyped word', { 'log-level': 'warning' }, /^log-level: "warning" is none of .*\. Did you mean warn\?$/],
  ];
  for (const [what, change, complaint] of wrong) {
    it(`complains about ${what}`, () => {
      const complaints = complaintsOf(change);
      assert.equal(complaints.length, 1);
      assert.match(complaints[0] ?? '', complaint);
    });
  }

  it('takes auto together with patterns, and words where they stand alone', () => {
    for (const intercept of [['auto', '*.corp.example', 'registry.test:5000'], ['all'], ['none'], ['ghcr.io']]) {
      assert.deepEqual(complaintsOf({ intercept }), []);
    }
  });

  it('gives all complaints at once, in the order of the table', () => {
    const names = complaintsOf({ 'log-format': 'xml', drain: 'x', deny: ['?', '!'], listen: 'y' }).map(
      (complaint) => complaint.split(':')[0],
    );
    assert.deepEqual(names, ['listen', 'deny', 'deny', 'drain', 'log-format']);
  });
});
