import assert from 'node:assert/strict';
import { parseImagePattern } from '../../src/oci/image-pattern.js';

describe('oci/image-pattern', () => {
  const cases: readonly [string, readonly string[], readonly string[]][] = [
    [
      'registry.k8s.io/pause*',
      ['registry.k8s.io/pause', 'registry.k8s.io/pause-amd64', 'registry.k8s.io/pause/x'],
      ['registry.k8s.io/coredns/pause', 'registryxk8s.io/pause'],
    ],
    [
      'docker.io/library/alpine',
      ['docker.io/library/alpine'],
      ['docker.io/library/alpine-x', 'x.docker.io/library/alpine'],
    ],
    ['ghcr.io/*/base', ['ghcr.io/a/base', 'ghcr.io/a/b/base'], ['ghcr.io/base', 'ghcr.io/a/base/x']],
    ['localhost:5000/a', ['localhost:5000/a'], ['localhost/a']],
    [
      'docker.io/library/alpine:3.*',
      ['docker.io/library/alpine:3.20'],
      ['docker.io/library/alpine:320', 'docker.io/library/alpine'],
    ],
    ['*/pause:3.9', ['registry.k8s.io/pause:3.9'], ['registry.k8s.io/pause:3.90']],
  ];
  for (const [text, names, others] of cases) {
    it(`${text} means ${names.join(', ')} and not ${others.join(', ')}`, () => {
      const pattern = parseImagePattern(text);
      assert.equal(pattern.namesTags, /:3/.test(text));
      for (const name of names) {
        assert.equal(pattern.matches(name), true, name);
        assert.ok(name.startsWith(pattern.literal), name);
      }
      for (const name of others) assert.equal(pattern.matches(name), false, name);
    });
  }

  for (const text of [
    '',
    'alpine',
    'docker.io/',
    '/alpine',
    'Docker.io/alpine',
    'docker.io/a b',
    'docker.io/a:b:c',
    'docker.io/a@sha256:x',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseImagePattern(text), /names no images; write registry and repository/);
    });
  }
});
