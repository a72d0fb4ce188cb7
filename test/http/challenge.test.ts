import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { findChallenge, parseChallenges } from '../../src/http/challenge.js';

function read(...lines: string[]): unknown[] {
  return parseChallenges(lines).map(({ scheme, params }) => [scheme, Object.fromEntries(params)]);
}

describe('http/challenge', () => {
  it('reads the challenge of a token registry', () => {
    const line =
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push",error="insufficient_scope"';
    assert.deepEqual(read(line), [
      [
        'bearer',
        {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
          error: 'insufficient_scope',
        },
      ],
    ]);
  });

  it('reads several challenges of one line and of several lines', () => {
    const expected = [
      ['bearer', { realm: 'a', service: 'b' }],
      ['basic', { realm: 'c, Digest x="y"' }],
    ];
    assert.deepEqual(read('Bearer realm="a", service="b", Basic realm="c, Digest x=\\"y\\""'), expected);
    assert.deepEqual(read('BEARER realm=a , service = b', 'basic Realm="c, Digest x=\\"y\\""'), expected);
  });

  it('knows schemes without parameters and with a token68', () => {
    assert.deepEqual(read('Negotiate, NTLM TlRMTVNTUAA=, Basic realm="r"'), [
      ['negotiate', {}],
      ['ntlm', {}],
      ['basic', { realm: 'r' }],
    ]);
  });

  it('lets the first of two equal parameters count', () => {
    assert.deepEqual(read('Bearer realm="a",realm="b"'), [['bearer', { realm: 'a' }]]);
  });

  it('takes parameter names as data', () => {
    const [challenge] = parseChallenges(['Bearer __proto__="x",constructor="y"']);
    assert.deepEqual(
      [...(challenge?.params ?? [])],
      [
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ],
    );
  });

  it('finds a challenge by scheme', () => {
    const challenges = parseChallenges(['Basic realm="x"', 'Bearer realm="y"']);
    assert.equal(findChallenge(challenges, 'bearer')?.params.get('realm'), 'y');
    assert.equal(findChallenge(challenges, 'digest'), undefined);
  });

  it('comes to an end with any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('B', 'a', '=', ' ', ',', '"', '\\', '\t', '~', ';', 'é', '/') }),
        (text) => Array.isArray(read(text)),
      ),
    );
  });
});
