import assert from 'node:assert/strict';
import { plainRegistries } from '../../src/registries/plain-http.js';

describe('registries/plain-http', () => {
  const none = { origin: 'c:1', ca: undefined, clientCert: undefined, clientKey: undefined, insecure: false };
  const plain = plainRegistries([
    { ...none, pattern: '*.lab.test', plainHttp: true },
    { ...none, pattern: 'tls.lab.test' },
  ]);

  it('names the hosts that are to be opened', () => assert.deepEqual(plain.patterns, ['*.lab.test']));

  it('leads to the same place without TLS, for what is listed alone', () => {
    const at = (host: string) => ({ scheme: 'https', host, port: 5000 }) as const;
    assert.deepEqual(plain.behind(at('a.lab.test')), { scheme: 'http', host: 'a.lab.test', port: 5000 });
    for (const host of ['tls.lab.test', 'other.test']) assert.deepEqual(plain.behind(at(host)), at(host));
    const absolute = { scheme: 'http', host: 'a.lab.test', port: 80 } as const;
    assert.equal(plain.behind(absolute), absolute);
  });
});
