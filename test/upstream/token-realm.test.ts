import assert from 'node:assert/strict';
import { bareRealm, realmAddress } from '../../src/upstream/token-realm.js';

describe('upstream/token-realm', () => {
  it('reads where a token server is, and what it is asked for', () => {
    assert.deepEqual(realmAddress('https://auth.example/token?x=1', 'registry', 'https', 'repository:a:pull'), {
      target: { scheme: 'https', host: 'auth.example', port: 443 },
      path: '/token?x=1&service=registry&scope=repository%3Aa%3Apull',
    });
    assert.deepEqual(realmAddress('https://[::1]:5001/', undefined, 'https'), {
      target: { scheme: 'https', host: '::1', port: 5001 },
      path: '/',
    });
  });

  it('leads out of TLS only where the registry itself is without', () => {
    assert.equal(realmAddress('http://auth.example/token', undefined, 'https'), undefined);
    assert.equal(realmAddress('http://auth.example/token', undefined, 'http')?.target.port, 80);
  });

  for (const realm of ['', 'token', 'file:///etc/passwd', 'https://', 'ftp://a.test/']) {
    it(`takes “${realm}” for no address`, () => {
      assert.equal(realmAddress(realm, undefined, 'http'), undefined);
    });
  }

  it('F04: is kept without user, password, query and fragment', () => {
    assert.equal(bareRealm('https://me:secret@auth.example:5001/token?sig=x#y'), 'https://auth.example:5001/token');
    assert.equal(bareRealm('https://auth.example/token'), 'https://auth.example/token');
    assert.equal(bareRealm('no address'), undefined);
  });
});
