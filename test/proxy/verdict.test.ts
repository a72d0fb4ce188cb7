import assert from 'node:assert/strict';
import { createHostPolicy, decideConnect, type HostPolicyOptions, refusePlain } from '../../src/proxy/verdict.js';

function policy(changes: Partial<HostPolicyOptions> = {}) {
  return createHostPolicy({ intercept: ['auto'], tunnel: [], deny: [], connectPorts: [443], ...changes });
}

const at = (host: string, port = 443) => ({ host, port });

describe('proxy/verdict', () => {
  const mixed = policy({
    intercept: ['auto', '*.corp.example', 'registry.test:5000'],
    tunnel: ['forge.corp.example', 'ghcr.io'],
    deny: ['*.evil.corp.example'],
  });
  const constrained = { ...mixed, permits: (host: string) => host.endsWith('.example') };
  const table: [name: string, actual: unknown, expected: unknown][] = [
    [
      'a well-known registry',
      decideConnect(at('quay.io'), mixed, undefined),
      { kind: 'intercept', reason: 'well-known' },
    ],
    ['a named host', decideConnect(at('a.corp.example'), mixed, undefined), { kind: 'intercept', reason: 'named' }],
    [
      'a named host and port',
      decideConnect(at('registry.test', 5000), mixed, undefined),
      { kind: 'intercept', reason: 'named' },
    ],
    [
      '--tunnel over --intercept',
      decideConnect(at('forge.corp.example'), mixed, 'registry'),
      { kind: 'tunnel', reason: 'named' },
    ],
    [
      '--tunnel over a well-known name',
      decideConnect(at('ghcr.io'), mixed, 'registry'),
      { kind: 'tunnel', reason: 'named' },
    ],
    [
      'a well-known registry that the CA may not have a certificate for',
      decideConnect(at('quay.io'), constrained, 'registry'),
      { kind: 'tunnel', reason: 'not-permitted' },
    ],
    [
      'a named host that the CA may have a certificate for',
      decideConnect(at('a.corp.example'), constrained, undefined),
      { kind: 'intercept', reason: 'named' },
    ],
    [
      '--deny over what the CA may not',
      decideConnect(at('a.evil.corp.example'), { ...mixed, permits: () => false }, undefined),
      { kind: 'refuse', reason: 'denied', message: 'a.evil.corp.example is closed by --deny.' },
    ],
    ['an unknown host', decideConnect(at('x.test'), mixed, undefined), { kind: 'ask' }],
    ['a host that said yes', decideConnect(at('x.test'), mixed, 'registry'), { kind: 'intercept', reason: 'asked' }],
    ['a host that said no', decideConnect(at('x.test'), mixed, 'other'), { kind: 'tunnel', reason: 'not-a-registry' }],
    ['a host that said nothing', decideConnect(at('x.test'), mixed, 'unknown'), { kind: 'tunnel', reason: 'unknown' }],
    ['all', decideConnect(at('x.test'), policy({ intercept: ['all'] }), 'other'), { kind: 'intercept', reason: 'all' }],
    [
      'none',
      decideConnect(at('quay.io'), policy({ intercept: ['none'] }), 'registry'),
      { kind: 'tunnel', reason: 'not-listed' },
    ],
    [
      'a list without auto',
      decideConnect(at('quay.io'), policy({ intercept: ['a.test'] }), 'registry'),
      { kind: 'tunnel', reason: 'not-listed' },
    ],
  ];
  for (const [name, actual, expected] of table) {
    it(`decides over ${name}`, () => assert.deepEqual(actual, expected));
  }

  it('refuses a denied host before anything else', () => {
    const verdict = decideConnect(at('x.evil.corp.example'), mixed, 'registry');
    assert.equal(verdict.kind === 'refuse' && verdict.reason, 'denied');
    assert.match(verdict.kind === 'refuse' ? verdict.message : '', /--deny/);
  });

  for (const port of [22, 25, 80, 2375, 6443, 5000]) {
    it(`refuses port ${port} of a host that names none, and says which option opens it`, () => {
      const verdict = decideConnect(at('a.corp.example', port), mixed, undefined);
      assert.equal(verdict.kind === 'refuse' && verdict.reason, 'port');
      assert.match(verdict.kind === 'refuse' ? verdict.message : '', new RegExp(`--connect-ports 443,${port} `));
    });
  }

  it('opens other ports by --connect-ports', () => {
    const open = policy({ intercept: ['a.test'], connectPorts: [443, 8443] });
    assert.deepEqual(decideConnect(at('a.test', 8443), open, undefined), { kind: 'intercept', reason: 'named' });
  });

  it('knows no well-known registry on another port', () => {
    assert.deepEqual(decideConnect(at('quay.io', 8443), policy({ connectPorts: [8443] }), undefined), { kind: 'ask' });
  });

  it('lets plain requests go to port 80 and the open ports of permitted hosts', () => {
    assert.equal(refusePlain(at('x.test', 80), mixed), undefined);
    assert.equal(refusePlain(at('registry.test', 5000), mixed), undefined);
    assert.equal(refusePlain(at('x.test', 3129), mixed)?.reason, 'port');
    assert.equal(refusePlain(at('x.evil.corp.example', 80), mixed)?.reason, 'denied');
  });

  it('refuses a pattern that is none', () => {
    assert.throws(() => policy({ intercept: ['auto', 'http://a'] }), /"http:\/\/a" is not a host pattern/);
  });
});
