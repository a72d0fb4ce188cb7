import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { createProtection } from '../../src/admin/protection.js';
import { parseHostPatterns } from '../../src/net/host-pattern.js';

const TOKEN = 'the-token-of-this-test';

function request(...rawHeaders: string[]): IncomingMessage {
  const headers: Record<string, string> = {};
  for (let i = 0; i < rawHeaders.length; i += 2)
    headers[String(rawHeaders[i]).toLowerCase()] ??= rawHeaders[i + 1] ?? '';
  return { headers, rawHeaders } as unknown as IncomingMessage;
}

describe('admin/protection', () => {
  let now = 0;
  const judge = () => createProtection({ token: TOKEN, hosts: parseHostPatterns([]), now: () => now });
  const wrong = request('Host', 'localhost', 'Authorization', 'Bearer wrong');
  const right = request('Host', 'localhost', 'Authorization', `bearer ${TOKEN}`);
  beforeEach(() => {
    now = 0;
  });

  it('K01: answers 429 to an address that has failed too often, and lets the right token pass all the same', () => {
    const protection = judge();
    const statuses = Array.from({ length: 12 }, () => protection(wrong, '10.0.0.1')?.status);
    assert.deepEqual(statuses, [...Array.from({ length: 10 }, () => 401), 429, 429]);
    assert.equal(protection(wrong, '10.0.0.1')?.headers['retry-after'], '5');
    assert.equal(protection(wrong, '10.0.0.2')?.status, 401);
    assert.equal(protection(right, '10.0.0.1'), undefined);
    now += 5_000;
    assert.equal(protection(wrong, '10.0.0.1')?.status, 401);
    assert.equal(protection(wrong, '10.0.0.1')?.status, 429);
  });

  it('K01: takes two Authorization lines for none', () => {
    const both = ['Authorization', `Bearer ${TOKEN}`, 'authorization', 'Bearer other'];
    assert.equal(judge()(request('Host', 'localhost', ...both), 'a')?.status, 401);
  });

  it('K04: refuses two Hosts, one that is none, and a missing one', () => {
    const bearer = ['Authorization', `Bearer ${TOKEN}`];
    for (const hosts of [['Host', 'localhost', 'host', 'localhost'], ['Host', 'http://localhost'], []]) {
      assert.equal(judge()(request(...hosts, ...bearer), 'a')?.status, 421);
    }
  });
});
