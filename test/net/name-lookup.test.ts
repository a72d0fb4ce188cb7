import assert from 'node:assert/strict';
import type dns from 'node:dns';
import { readFile } from 'node:fs/promises';
import { createNameLookup } from '../../src/net/name-lookup.js';

type Answer = (error: Error | null, addresses: dns.LookupAddress[]) => void;

/** A resolver of the system that answers when it is told to. */
function slowSystem() {
  const asked: { name: string; answer: Answer }[] = [];
  const system = ((name: string, _options: object, answer: Answer) => {
    asked.push({ name, answer });
  }) as unknown as typeof dns.lookup;
  return { asked, system };
}

function find(lookup: typeof dns.lookup, name: string): Promise<dns.LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}

const FOUR = [{ address: '192.0.2.1', family: 4 }];

describe('net/name-lookup', () => {
  const nobody = async () => assert.fail('name servers were asked');

  it('asks the system once for equal names at a time, and again later', async () => {
    const { asked, system } = slowSystem();
    const lookup = createNameLookup({ system, servers: nobody });
    const waiting = [find(lookup, 'a.test'), find(lookup, 'a.test'), find(lookup, 'b.test')];
    assert.deepEqual(
      asked.map(({ name }) => name),
      ['a.test', 'b.test'],
    );
    for (const { answer } of asked) answer(null, FOUR);
    assert.deepEqual(await Promise.all(waiting), [FOUR, FOUR, FOUR]);
    const again = find(lookup, 'a.test');
    assert.equal(asked.length, 3);
    asked[2]?.answer(Object.assign(new Error('no'), { code: 'ENOTFOUND' }), []);
    await assert.rejects(again, { code: 'ENOTFOUND' });
  });

  it('H07: finds a name while 50 others hang, and files are read meanwhile', async () => {
    const { asked, system } = slowSystem();
    const servers = async (name: string) => (name === 'good.test' ? ['192.0.2.1', '2001:db8::1'] : []);
    const lookup = createNameLookup({ system, servers, patienceMs: 5 });
    const hanging = Array.from({ length: 50 }, (_, i) => find(lookup, `slow-${i}.test`));
    const found = await find(lookup, 'good.test');
    assert.deepEqual(found, [...FOUR, { address: '2001:db8::1', family: 6 }]);
    assert.match(await readFile(new URL(import.meta.url), 'utf8'), /name-lookup/);
    for (const { answer } of asked) answer(null, FOUR);
    assert.equal((await Promise.all(hanging)).length, 50);
  });

  it('takes only the system’s word for it that a name has no address', async () => {
    for (const servers of [async () => [], async () => Promise.reject(new Error('refused'))]) {
      const { asked, system } = slowSystem();
      const lookup = createNameLookup({ system, servers, patienceMs: 1 });
      const found = find(lookup, 'only-in-hosts.test');
      await new Promise((resolve) => setTimeout(resolve, 5));
      asked[0]?.answer(null, FOUR);
      assert.deepEqual(await found, FOUR);
    }
  });
});
