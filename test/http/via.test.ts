import assert from 'node:assert/strict';
import { hasPassed, viaMember, withVia } from '../../src/http/via.js';

describe('http/via', () => {
  it('recognises what it has written, behind others and among them', () => {
    assert.equal(viaMember('k3x9'), '1.1 entrepot-k3x9');
    assert.equal(hasPassed(withVia(['Via', '1.0 fred'], 'k3x9'), 'k3x9'), true);
    assert.equal(hasPassed(['via', '1.0 fred, HTTP/1.1 Entrepot-k3x9 (x), 1.1 p'], 'k3x9'), true);
  });

  it('does not take another installation for itself', () => {
    assert.equal(hasPassed(withVia([], 'other'), 'k3x9'), false);
    assert.equal(hasPassed(['Via', '1.1 entrepot-k3x99, 1.1 x (entrepot-k3x9)'], 'k3x9'), false);
    assert.equal(hasPassed([], 'k3x9'), false);
  });
});
