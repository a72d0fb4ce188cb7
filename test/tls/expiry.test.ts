import assert from 'node:assert/strict';
import type { Authority } from '../../src/tls/authority.js';
import { expiryOf } from '../../src/tls/expiry.js';

const DAY_MS = 86_400_000;
const END = Date.parse('2027-03-01T00:00:00Z');

function authority(notAfter: number, chainPem = ''): Authority {
  return { notAfter, chainPem } as Authority;
}

function warning(now: number, chainPem = ''): string | undefined {
  return expiryOf({ current: authority(END, chainPem), next: undefined }, now).warning;
}

describe('tls/expiry', () => {
  it('B06: an expiry is spoken of from 30 days before, and is a fact at its second', () => {
    assert.equal(warning(END - 30 * DAY_MS - 1), undefined);
    assert.match(
      warning(END - 30 * DAY_MS) ?? '',
      /^the CA certificate expires in 30 days, on 2027-03-01; run "entrepot ca rotate"/,
    );
    assert.match(warning(END - DAY_MS) ?? '', /in 1 day,/);
    assert.match(warning(END - 1) ?? '', /within a day,/);
    assert.match(warning(END) ?? '', /^the CA certificate expired on 2027-03-01; run "entrepot ca rotate"/);
    const current = authority(END);
    assert.equal(expiryOf({ current, next: undefined }, END - 1).hasExpired, false);
    assert.equal(expiryOf({ current, next: undefined }, END).hasExpired, true);
  });

  it('B06: an intermediate is to be renewed', () => {
    assert.match(warning(END - DAY_MS, 'PEM') ?? '', /run "entrepot ca renew"/);
  });

  it('B06: a rotation under way ends the warning, and after the switch the new CA counts', () => {
    const next = { authority: authority(END + 1000 * DAY_MS), switchAt: END - 5 * DAY_MS };
    const authorities = { current: authority(END), next };
    assert.equal(expiryOf(authorities, END - 10 * DAY_MS).warning, undefined);
    assert.equal(expiryOf(authorities, END - 10 * DAY_MS).notAfter, END);
    assert.equal(expiryOf(authorities, END - DAY_MS).notAfter, END + 1000 * DAY_MS);
    const late = { ...authorities, next: { ...next, switchAt: END + DAY_MS } };
    assert.match(expiryOf(late, END).warning ?? '', /expired/);
  });
});
