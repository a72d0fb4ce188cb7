import assert from 'node:assert/strict';
import { parseRoute } from '../../src/oci/route.js';
import { type ContentRoute, scopeOf } from '../../src/pipeline/visit.js';

function scope(registry: string, path: string): string {
  return scopeOf(registry, parseRoute('GET', path) as ContentRoute);
}

describe('pipeline/visit', () => {
  it('gives one word to a repository, whatever is asked of it', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    assert.equal(scope('docker.io', '/v2/library/x/manifests/v1'), 'docker.io library/x');
    assert.equal(scope('docker.io', `/v2/library/x/blobs/${digest}`), 'docker.io library/x');
  });

  it('gives different words to different repositories, registries and namespaces', () => {
    const words = [
      scope('a.test', '/v2/x/manifests/v1'),
      scope('b.test', '/v2/x/manifests/v1'),
      scope('a.test:5000', '/v2/x/manifests/v1'),
      scope('a.test', '/v2/x/y/manifests/v1'),
      scope('a.test', '/v2/x/manifests/v1?ns=docker.io'),
      scope('a.test', '/v2/x/manifests/v1?ns=quay.io'),
    ];
    assert.equal(new Set(words).size, words.length);
  });
});
