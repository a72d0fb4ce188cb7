import assert from 'node:assert/strict';
import { parsePermittedName } from '../../src/net/permitted-names.js';
import { children, contents, decode } from '../../src/tls/der.js';
import {
  constraintsOf,
  describePermitted,
  type NameConstraints,
  nameConstraints,
  permitsHost,
  readNameConstraints,
} from '../../src/tls/name-constraints.js';

function constraintsFor(...names: readonly string[]): NameConstraints {
  return constraintsOf(names.map(parsePermittedName));
}

function valueOf(constraints: NameConstraints): Buffer {
  return contents(children(nameConstraints(constraints)).at(-1));
}

describe('tls/name-constraints', () => {
  it('writes what is permitted, and excludes the kinds of names that are not permitted at all', () => {
    const names = valueOf(constraintsFor('ghcr.io')).toString('hex');
    const none = `300a8708${'00'.repeat(8)}30228720${'00'.repeat(32)}`;
    assert.equal(
      names,
      `303f a00b 30098207 ${Buffer.from('ghcr.io').toString('hex')} a130 ${none}`.replaceAll(' ', ''),
    );
    const addresses = valueOf(constraintsFor('10.0.0.0/8')).toString('hex');
    assert.equal(addresses, '3014a00c300a87080a000000ff000000a10430028200');
  });

  it('is critical', () => {
    assert.equal(children(nameConstraints(constraintsFor('ghcr.io'))).length, 3);
  });

  it('reads what it wrote', () => {
    const constraints = constraintsFor('ghcr.io', 'corp.example', '10.0.0.0/8', 'fd00::/9');
    const read = readNameConstraints(decode(valueOf(constraints)));
    assert.deepEqual(read, constraints);
    assert.deepEqual(describePermitted(read), ['ghcr.io', 'corp.example', '10.0.0.0/8', 'fd00::/9']);
  });

  const rows: readonly (readonly [readonly string[], readonly string[], readonly string[]])[] = [
    [['ghcr.io'], ['ghcr.io', 'a.ghcr.io', 'a.b.ghcr.io'], ['xghcr.io', 'io', 'ghcr.io.test', '10.0.0.1', '::1']],
    [['10.0.0.0/12'], ['10.0.0.1', '10.15.255.255'], ['10.16.0.0', '::1', 'ghcr.io', 'a']],
    [
      ['fd00::/9', 'a'],
      ['fd00::1', 'fd7f::', 'a', 'b.a'],
      ['fd80::', '10.0.0.1', 'ba'],
    ],
  ];
  for (const [names, inside, outside] of rows) {
    it(`permits below ${names.join(' and ')} and nowhere else`, () => {
      const constraints = constraintsFor(...names);
      for (const host of inside) assert.equal(permitsHost(constraints, host), true, host);
      for (const host of outside) assert.equal(permitsHost(constraints, host), false, host);
    });
  }

  it('lets an exclusion win, and understands the spelling with a leading dot', () => {
    const dns = (name: string) => ({ kind: 'dns', name }) as const;
    const constraints = { permitted: [dns('.corp.example')], excluded: [dns('secret.corp.example')] };
    assert.equal(permitsHost(constraints, 'a.corp.example'), true);
    assert.equal(permitsHost(constraints, 'corp.example'), false);
    assert.equal(permitsHost(constraints, 'x.secret.corp.example'), false);
    assert.equal(permitsHost(constraints, '10.0.0.1'), true);
  });
});
