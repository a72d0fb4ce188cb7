import assert from 'node:assert/strict';
import { canonicalRegistry } from '../../src/registries/aliases.js';

describe('registries/aliases', () => {
  for (const host of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
    it(`calls ${host} docker.io`, () => {
      assert.equal(canonicalRegistry(host, 443, 'https'), 'docker.io');
    });
  }

  it('does not count other hosts, other ports or plain http as Docker Hub', () => {
    assert.equal(canonicalRegistry('auth.docker.io', 443, 'https'), 'auth.docker.io');
    assert.equal(
      canonicalRegistry('registry-1.docker.io.evil.example', 443, 'https'),
      'registry-1.docker.io.evil.example',
    );
    assert.equal(canonicalRegistry('docker.io', 8443, 'https'), 'docker.io:8443');
    assert.equal(canonicalRegistry('docker.io', 80, 'http'), 'http://docker.io:80');
  });

  it('names other registries by host, and by port where it is not 443', () => {
    assert.equal(canonicalRegistry('ghcr.io', 443, 'https'), 'ghcr.io');
    assert.equal(canonicalRegistry('registry.test', 5000, 'https'), 'registry.test:5000');
    assert.equal(canonicalRegistry('::1', 443, 'https'), '[::1]');
    assert.equal(canonicalRegistry('::1', 5000, 'https'), '[::1]:5000');
  });

  it('keeps plain http apart from https, whatever the port', () => {
    assert.equal(canonicalRegistry('registry.test', 443, 'http'), 'http://registry.test:443');
    assert.equal(canonicalRegistry('registry.test', 443, 'https'), 'registry.test');
  });
});
