import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import {
  formatImage,
  formatRepository,
  parseImage,
  parseName,
  parseRegistry,
  parseRepository,
  repositoryOf,
  scopeOf,
} from '../../src/inventory/image-name.js';

const D = `sha256:${'a'.repeat(64)}`;

/** A name as one text that says what it was taken for. */
function read(text: string): string {
  const named = parseName(text);
  if (named.kind === 'digest') return `digest ${named.digest}`;
  if (named.kind === 'image') return `image ${formatImage(named.image)}`;
  return named.kind === 'repository'
    ? `repository ${formatRepository(named.repository)}`
    : `registry ${named.registry}`;
}

describe('inventory/image-name', () => {
  for (const [text, meaning] of [
    ['docker.io/library/alpine:3.20', 'image docker.io/library/alpine:3.20'],
    ['alpine:3.20', 'image docker.io/library/alpine:3.20'],
    ['alpine:3', 'image docker.io/library/alpine:3'],
    ['grafana/grafana:11', 'image docker.io/grafana/grafana:11'],
    ['index.docker.io/library/alpine:3.20', 'image docker.io/library/alpine:3.20'],
    ['registry-1.docker.io/alpine:3.20', 'image docker.io/library/alpine:3.20'],
    ['ghcr.io/a/b:v1', 'image ghcr.io/a/b:v1'],
    ['GHCR.io/a/b:v1', 'image ghcr.io/a/b:v1'],
    ['localhost:5000/a:v1', 'image localhost:5000/a:v1'],
    ['registry:5000/a:v1', 'image registry:5000/a:v1'],
    ['http://registry.test:5000/a:v1', 'image http://registry.test:5000/a:v1'],
    ['[::1]:5000/a:v1', 'image [::1]:5000/a:v1'],
    [`quay.io/a/b@${D}`, `image quay.io/a/b@${D}`],
    [`quay.io/a/b:v1@${D}`, `image quay.io/a/b@${D}`],
    ['mirror.test/library/alpine?ns=docker.io:3.20', 'image mirror.test/library/alpine?ns=docker.io:3.20'],
    ['alpine', 'repository docker.io/library/alpine'],
    ['docker.io/library/alpine', 'repository docker.io/library/alpine'],
    ['quay.io/a', 'repository quay.io/a'],
    ['docker.io', 'registry docker.io'],
    ['docker.io/', 'registry docker.io'],
    ['index.docker.io', 'registry docker.io'],
    ['registry.test:5000', 'registry registry.test:5000'],
    ['registry:5000/', 'registry registry:5000'],
    ['http://registry.test/', 'registry http://registry.test:80'],
    [D, `digest ${D}`],
  ] as const) {
    it(`takes ${text} for ${meaning}`, () => assert.equal(read(text), meaning));
  }

  for (const text of [
    '',
    '/',
    ':',
    '@',
    'a b',
    'Alpine',
    'alpine:',
    'alpine@sha256:abc',
    'alpine:3.20@md5:0',
    'docker.io//alpine',
    'docker.io/../alpine',
    'http://',
    'https://docker.io/library/alpine',
    '\u001b[31malpine',
    `docker.io/${'a'.repeat(2_000)}`,
    '127.1/a:v1',
  ]) {
    it(`refuses ${JSON.stringify(text).slice(0, 40)} and says what a name looks like`, () => {
      assert.throws(
        () => parseName(text),
        (error) => error instanceof ConfigError && /docker\.io\/library\/alpine:3\.20/.test(error.message),
      );
    });
  }

  it('takes no part of a digest for a tag of an image named sha256', () => {
    for (const text of ['sha256:abc', `sha256:${'A'.repeat(64)}`, 'sha512:abc', 'sha256:']) {
      assert.throws(() => parseName(text), /is no whole digest: sha256: and 64.*cache show/, text);
    }
  });

  it('wants an image, a repository or a registry where only that will do', () => {
    assert.equal(formatImage(parseImage('alpine:3')), 'docker.io/library/alpine:3');
    assert.throws(() => parseImage('alpine'), ConfigError);
    assert.equal(formatRepository(parseRepository('alpine')), 'docker.io/library/alpine');
    assert.throws(() => parseRepository('alpine:3'), ConfigError);
    assert.equal(parseRegistry('registry:5000'), 'registry:5000');
    assert.throws(() => parseRegistry('docker.io/library/alpine'), ConfigError);
  });

  it('gives the scope that facts have, and reads it back', () => {
    const name = { registry: 'docker.io', repository: 'library/alpine' };
    assert.equal(scopeOf(name), 'docker.io library/alpine');
    assert.deepEqual(repositoryOf('docker.io library/alpine'), name);
    for (const broken of ['', 'docker.io', ' x', 'docker.io ']) assert.equal(repositoryOf(broken), undefined);
  });
});
