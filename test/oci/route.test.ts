import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { parseRoute, type RegistryRoute } from '../../src/oci/route.js';

const HEX = 'a1'.repeat(32);
const D = `sha256:${HEX}`;
const D512 = `sha512:${'0f'.repeat(64)}`;
const OTHER = { kind: 'other' };

function manifest(repository: string, reference: string, digest?: string): object {
  return { kind: 'manifest', repository, reference, digest };
}

function blob(repository: string, digest: string): object {
  return { kind: 'blob', repository, reference: digest, digest };
}

const KNOWN: readonly (readonly [string, string, object])[] = [
  ['GET', '/v2/', { kind: 'ping' }],
  ['HEAD', '/v2/', { kind: 'ping' }],
  ['GET', '/v2/_catalog', { kind: 'catalog' }],
  ['GET', '/v2/_catalog?n=100&last=a%2Fb', { kind: 'catalog' }],
  ['GET', '/v2/library/small/manifests/v1', manifest('library/small', 'v1')],
  ['HEAD', '/v2/a/manifests/_x.Y-9', manifest('a', '_x.Y-9')],
  ['GET', `/v2/a/manifests/${D}`, manifest('a', D, D)],
  ['GET', `/v2/a/manifests/${D512}`, manifest('a', D512, D512)],
  ['PUT', '/v2/a/manifests/v1', manifest('a', 'v1')],
  ['DELETE', `/v2/a/manifests/${D}`, manifest('a', D, D)],
  ['GET', `/v2/a/b/c/blobs/${D}`, blob('a/b/c', D)],
  ['HEAD', `/v2/a/blobs/${D512}`, blob('a', D512)],
  ['DELETE', `/v2/a/blobs/${D}`, blob('a', D)],
  ['GET', '/v2/manifests/manifests/blobs', manifest('manifests', 'blobs')],
  ['GET', '/v2/a/blobs/manifests/manifests/latest', manifest('a/blobs/manifests', 'latest')],
  ['GET', `/v2/a/manifests/x/blobs/${D}`, blob('a/manifests/x', D)],
  ['GET', `/v2/blobs/blobs/${D}`, blob('blobs', D)],
  ['GET', '/v2/a/blobs/uploads/manifests/v1', manifest('a/blobs/uploads', 'v1')],
  ['GET', '/v2/a/tags/list/manifests/v1', manifest('a/tags/list', 'v1')],
  ['GET', '/v2/a__b/c--d.e_f/manifests/v1', manifest('a__b/c--d.e_f', 'v1')],
  ['POST', '/v2/a/blobs/uploads/', { kind: 'upload', repository: 'a' }],
  ['POST', `/v2/a/b/blobs/uploads/?mount=${D}&from=c/d`, { kind: 'upload', repository: 'a/b' }],
  ['PATCH', '/v2/a/blobs/uploads/0a1b-2c?_state=x%3D', { kind: 'upload', repository: 'a' }],
  ['PUT', `/v2/a/blobs/uploads/id?digest=${D}`, { kind: 'upload', repository: 'a' }],
  ['DELETE', '/v2/a/blobs/uploads/id', { kind: 'upload', repository: 'a' }],
  ['GET', '/v2/a/b/tags/list?n=2', { kind: 'tags', repository: 'a/b' }],
  ['GET', `/v2/a/referrers/${D}?artifactType=x`, { kind: 'referrers', repository: 'a' }],
];

const UNKNOWN: readonly (readonly [string, string])[] = [
  ['GET', ''],
  ['GET', '/'],
  ['GET', '*'],
  ['GET', '/v2'],
  ['GET', '/v2/?x=1'],
  ['GET', '/v1/a/manifests/v1'],
  ['GET', '/x/v2/a/manifests/v1'],
  ['GET', 'https://r.example/v2/a/manifests/v1'],
  ['GET', '//v2/a/manifests/v1'],
  ['GET', '/v2//a/manifests/v1'],
  ['GET', '/v2/a/manifests//v1'],
  ['GET', '/v2/a/manifests/v1/'],
  ['GET', '/v2/a/manifests/'],
  ['GET', '/v2/manifests/v1'],
  ['GET', '/v2/A/manifests/v1'],
  ['GET', '/v2/a/../b/manifests/v1'],
  ['GET', '/v2/./a/manifests/v1'],
  ['GET', '/v2/a/manifests/..'],
  ['GET', '/v2/%61/manifests/v1'],
  ['GET', '/v2/a/manifests/v%31'],
  ['GET', '/v2/a%2Fb/manifests/v1'],
  ['GET', '/v2/a;x=1/manifests/v1'],
  ['GET', '/v2/a/manifests/v1;x'],
  ['GET', '/v2/a\\b/manifests/v1'],
  ['GET', '/v2/a/manifests/v1#x'],
  ['GET', '/v2/a/manifests/v1\n'],
  ['GET', '/v2/a/manifests/é'],
  ['GET', '/v2/a/manifests/-v1'],
  ['GET', `/v2/a/manifests/${'v'.repeat(129)}`],
  ['GET', `/v2/a/manifests/${D.toUpperCase()}`],
  ['GET', '/v2/a/manifests/sha384:abcd'],
  ['GET', '/v2/a/manifests/v1:v2'],
  ['GET', '/v2/a/manifests/v1@x'],
  ['GET', '/v2/a/manifests/v1?'],
  ['GET', '/v2/a/manifests/v1?token=x'],
  ['GET', '/v2/a/manifests/v1?ns='],
  ['GET', '/v2/a/manifests/v1?ns=x&ns=y'],
  ['GET', '/v2/a/manifests/v1?x=1&ns=x'],
  ['GET', '/v2/a/manifests/v1?ns=x?'],
  ['GET', `/v2/a/blobs/sha256:${HEX.toUpperCase()}`],
  ['GET', `/v2/a/blobs/sha256:${HEX.slice(1)}`],
  ['GET', '/v2/a/blobs/latest'],
  ['GET', `/v2/a/blobs/${D}?sig=1`],
  ['GET', '/v2/a/referrers/v1'],
  ['GET', `/v2/a-/blobs/${D}`],
  ['GET', `/v2/a___b/blobs/${D}`],
  ['GET', `/v2/a..b/blobs/${D}`],
  ['POST', '/v2/A/blobs/uploads/'],
  ['GET', '/v2/A/tags/list'],
  ['POST', '/v2/a/manifests/v1'],
  ['PUT', `/v2/a/blobs/${D}`],
  ['POST', '/v2/'],
  ['OPTIONS', `/v2/a/blobs/${D}`],
  ['get', '/v2/'],
  ['GET', '/token?service=x'],
];

describe('oci/route', () => {
  for (const [method, path, route] of KNOWN) {
    it(`reads ${method} ${path}`, () => {
      assert.deepEqual(parseRoute(method, path), route);
    });
  }

  for (const [method, path] of UNKNOWN) {
    it(`forwards ${method} ${JSON.stringify(path)} without a thought`, () => {
      assert.deepEqual(parseRoute(method, path), OTHER);
    });
  }

  it('keeps the namespace that containerd names to a mirror', () => {
    assert.deepEqual(parseRoute('GET', '/v2/a/manifests/v1?ns=docker.io'), {
      ...manifest('a', 'v1'),
      namespace: 'docker.io',
    });
    assert.deepEqual(parseRoute('GET', `/v2/a/blobs/${D}?ns=r.example%3A5000`), {
      ...blob('a', D),
      namespace: 'r.example%3A5000',
    });
  });

  it('takes names up to 255 characters', () => {
    const name = `${'a'.repeat(100)}/${'b'.repeat(154)}`;
    assert.deepEqual(parseRoute('GET', `/v2/${name}/manifests/v1`), manifest(name, 'v1'));
    assert.deepEqual(parseRoute('GET', `/v2/${name}b/manifests/v1`), OTHER);
  });

  it('never finds a name or digest that is not in the path as it stands', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '//',
        '..',
        '.',
        'v2',
        'manifests',
        'blobs',
        'uploads',
        'tags',
        'list',
        D,
        '%2e',
        '?',
        'ns=',
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = `/v2/${pieces.join('/')}`;
        const route: RegistryRoute = parseRoute('GET', path);
        if (route.kind === 'manifest')
          assert.ok(path.startsWith(`/v2/${route.repository}/manifests/${route.reference}`));
        if (route.kind === 'blob') assert.ok(path.startsWith(`/v2/${route.repository}/blobs/${route.digest}`));
      }),
    );
  });
});
