import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import os from 'node:os';
import { ProxyError } from '../../src/errors.js';
import { parseOverrides } from '../../src/net/address-overrides.js';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createEgressGuard, type EgressGuardOptions } from '../../src/net/egress-guard.js';

function guardWith(changes: Partial<EgressGuardOptions> = {}) {
  return createEgressGuard({ allow: parseRanges([]), deny: parseRanges([]), ownListeners: () => [], ...changes });
}

/** A resolver that knows one answer. */
function resolving(...addresses: string[]): NonNullable<EgressGuardOptions['resolve']> {
  const answer: LookupAddress[] = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const resolve = (
    _name: string,
    options: { all?: boolean },
    callback: (error: null, found: LookupAddress[]) => void,
  ) => {
    assert.equal(options.all, true);
    callback(null, answer);
  };
  return resolve as never;
}

const isRefused = (error: unknown) => error instanceof ProxyError && error.code === 'egress-refused';

describe('net/egress-guard', () => {
  const refused = [
    [
      '0.0.0.0',
      '0.1.2.3',
      '127.0.0.1',
      '127.255.0.1',
      '169.254.169.254',
      '169.254.1.1',
      '224.0.0.1',
      '239.255.255.250',
    ],
    ['240.0.0.1', '255.255.255.255', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
    ['::', '::1', 'fe80::1', 'fe80::1%lo', 'ff02::1', 'fd00:ec2::254', '::127.0.0.1'],
    ['2002:a9fe:a9fe::', '2002:7f00:1::1', '::ffff:0:a9fe:a9fe', '64:ff9b:1::a9fe:a9fe', 'fec0::1'],
    ['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '64:ff9b::7f00:1', '64:ff9b::a9fe:a9fe'],
  ].flat();
  for (const address of refused) {
    it(`A01, A02: refuses ${address} and names --egress-allow`, () => {
      assert.throws(
        () => guardWith().check(address, 443),
        (error: Error) => isRefused(error) && /--egress-allow /.test(error.message),
      );
      guardWith({ allow: parseRanges([address.split('%')[0] as string]) }).check(address, 443);
    });
  }

  for (const address of ['10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd00::1', '8.8.8.8', '2001:4860::1']) {
    it(`lets ${address} through, and refuses it under --egress-deny whatever is allowed`, () => {
      guardWith().check(address, 443);
      const closed = guardWith({ deny: parseRanges(['0.0.0.0/0', '::/0']), allow: parseRanges(['0.0.0.0/0', '::/0']) });
      assert.throws(
        () => closed.check(address, 443),
        (error: Error) => isRefused(error) && /--egress-deny/.test(error.message),
      );
    });
  }

  it('A02: refuses its own listeners even where their address is allowed', () => {
    const guard = guardWith({
      allow: parseRanges(['127.0.0.0/8', '::1']),
      ownListeners: () => [{ address: '127.0.0.1', port: 3128 }],
    });
    assert.throws(() => guard.check('127.0.0.1', 3128), isRefused);
    assert.throws(() => guard.check('::ffff:127.0.0.1', 3128), isRefused);
    for (const unspecified of ['0.0.0.0', '::']) {
      const open = guardWith({
        allow: parseRanges(['0.0.0.0/0', '::/0']),
        ownListeners: () => [{ address: '127.0.0.1', port: 3128 }],
      });
      assert.throws(() => open.check(unspecified, 3128), isRefused, unspecified);
      open.check(unspecified, 3129);
    }
    guard.check('127.0.0.1', 3129);
    guard.check('127.0.0.2', 3128);
  });

  it('A02: takes a wildcard listener for every address of this machine', () => {
    for (const wildcard of ['0.0.0.0', '::']) {
      const guard = guardWith({
        allow: parseRanges(['0.0.0.0/0', '::/0']),
        ownListeners: () => [{ address: wildcard, port: 3128 }],
      });
      const own = Object.values(os.networkInterfaces()).flatMap((entries) => entries ?? []);
      for (const address of ['127.0.0.1', '127.9.9.9', '::1', '0.0.0.0', ...own.map((entry) => entry.address)]) {
        assert.throws(() => guard.check(address, 3128), isRefused, address);
        guard.check(address, 443);
      }
      guard.check('203.0.113.9', 3128);
    }
  });

  it('A05: gives the addresses that pass, all or the first, and drops the others', async () => {
    const lookup = guardWith({ resolve: resolving('127.0.0.1', '10.0.0.1', '::1', 'fd00::1') }).lookupFor(443);
    const all = await new Promise((resolve) => lookup('mixed.test', { all: true }, (...answer) => resolve(answer)));
    assert.deepEqual(all, [
      null,
      [
        { address: '10.0.0.1', family: 4 },
        { address: 'fd00::1', family: 6 },
      ],
    ]);
    const one = await new Promise((resolve) => lookup('mixed.test', {}, (...answer) => resolve(answer)));
    assert.deepEqual(one, [null, '10.0.0.1', 4]);
  });

  it('fails a look-up that leaves nothing with the reason of the first address', async () => {
    const lookup = guardWith({ resolve: resolving('169.254.169.254', '127.0.0.1') }).lookupFor(443);
    const error = await new Promise<unknown>((resolve) =>
      lookup('evil.test', { all: true }, (error) => resolve(error)),
    );
    assert.ok(isRefused(error));
    assert.match((error as Error).message, /169\.254\.169\.254 is a cloud metadata address/);
  });

  it('gives the addresses that are named for a host, allowed or not, but never its own', async () => {
    const overrides = parseOverrides(['named.test=127.0.0.9', 'named.test=10.0.0.1', 'named.test:8443=127.0.0.8']);
    const guard = guardWith({
      overrides,
      deny: parseRanges(['10.0.0.0/8']),
      ownListeners: () => [{ address: '127.0.0.8', port: 8443 }],
      resolve: (() => assert.fail('a name server was asked')) as never,
    });
    const find = (port: number): Promise<LookupAddress[]> =>
      new Promise((resolve, reject) => {
        guard.lookupFor(port)('named.test', { all: true }, (error, found) =>
          error ? reject(error) : resolve(found as LookupAddress[]),
        );
      });
    assert.deepEqual(
      (await find(443)).map(({ address }) => address),
      ['127.0.0.9', '10.0.0.1'],
    );
    await assert.rejects(find(8443), isRefused);
  });

  it('hands on the error of the resolver', async () => {
    const failure = Object.assign(new Error('gone'), { code: 'ENOTFOUND' });
    const resolve = ((_name: string, _options: unknown, callback: (error: Error) => void) =>
      callback(failure)) as never;
    const lookup = guardWith({ resolve }).lookupFor(443);
    assert.equal(await new Promise((done) => lookup('none.test', {}, (error) => done(error))), failure);
  });
});
