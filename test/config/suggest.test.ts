import assert from 'node:assert/strict';
import { closest, didYouMean } from '../../src/config/suggest.js';

describe('config/suggest', () => {
  const known = ['listen', 'adminListen', 'dataDir', 'deny', 'drain'];

  it('finds the word that was mistyped', () => {
    assert.equal(closest('lisen', known), 'listen');
    assert.equal(closest('admin_listen', known), 'adminListen');
    assert.equal(closest('datadir', known), 'dataDir');
    assert.equal(closest('dney', ['deny']), undefined, 'two letters of four are too many');
    assert.equal(closest('den', known), 'deny');
    assert.equal(closest('warning', ['debug', 'info', 'warn']), 'warn');
  });

  it('makes no suggestion where nothing is close', () => {
    assert.equal(closest('password', known), undefined);
    assert.equal(closest('', known), undefined);
    assert.equal(didYouMean('password', known), '');
  });

  it('puts the suggestion into a sentence', () => {
    assert.equal(didYouMean('lisen', known), ' Did you mean listen?');
  });
});
