import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { MAX_MANIFEST_BYTES, MAX_MANIFEST_PARTS, type Manifest, readManifest } from '../../src/oci/manifest.js';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1_SIGNED,
  OCI_ARTIFACT_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-types.js';

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

function sha256(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function descriptor(text: string, mediaType = LAYER, more: object = {}): object {
  return { mediaType, digest: sha256(text), size: text.length, ...more };
}

const IMAGE = {
  schemaVersion: 2,
  config: descriptor('config', 'application/vnd.oci.image.config.v1+json'),
  layers: [descriptor('one'), descriptor('two')],
};

const INDEX = { schemaVersion: 2, manifests: [descriptor('child', OCI_MANIFEST), descriptor('list', DOCKER_LIST)] };

function read(document: unknown, contentType: string): Manifest | undefined {
  return readManifest(Buffer.from(JSON.stringify(document)), contentType);
}

describe('oci/manifest', () => {
  it('lists the config and layers of an image', () => {
    for (const [type, more] of [
      [OCI_MANIFEST, {}],
      [OCI_MANIFEST, { mediaType: OCI_MANIFEST }],
      [DOCKER_MANIFEST, { mediaType: DOCKER_MANIFEST }],
    ] as const) {
      const manifest = read({ ...IMAGE, ...more }, type);
      assert.equal(manifest?.mediaType, type);
      assert.deepEqual(
        manifest.descriptors.map(({ digest, sizeBytes, kind }) => [digest, sizeBytes, kind]),
        [
          [sha256('config'), 6, 'blob'],
          [sha256('one'), 3, 'blob'],
          [sha256('two'), 3, 'blob'],
        ],
      );
    }
  });

  it('lists the manifests of an index, and its odd blobs as blobs', () => {
    const manifest = read({ ...INDEX, manifests: [...INDEX.manifests, descriptor('x', LAYER)] }, OCI_INDEX);
    assert.deepEqual(
      manifest?.descriptors.map(({ kind }) => kind),
      ['manifest', 'manifest', 'blob'],
    );
    assert.equal(read({ ...INDEX, mediaType: DOCKER_LIST }, DOCKER_LIST)?.descriptors.length, 2);
  });

  it('lists the blobs of an artifact, and its subject apart', () => {
    const subject = descriptor('image', OCI_MANIFEST);
    const artifact = { mediaType: OCI_ARTIFACT_MANIFEST, artifactType: 'a/b', blobs: [descriptor('sbom')], subject };
    const manifest = read(artifact, OCI_ARTIFACT_MANIFEST);
    assert.deepEqual(
      manifest?.descriptors.map(({ digest }) => digest),
      [sha256('sbom')],
    );
    assert.equal(manifest.subject, sha256('image'));
    assert.equal(read({ mediaType: OCI_ARTIFACT_MANIFEST }, OCI_ARTIFACT_MANIFEST)?.descriptors.length, 0);
  });

  it('marks layers that a registry need not hold', () => {
    const foreign = descriptor('far', LAYER, { urls: ['https://elsewhere.example/layer'] });
    const manifest = read({ ...IMAGE, layers: [foreign, descriptor('near', LAYER, { urls: [] })] }, OCI_MANIFEST);
    assert.deepEqual(
      manifest?.descriptors.map((one) => one.foreign),
      [false, true, false],
    );
  });

  it('takes a Content-Type with parameters', () => {
    assert.equal(read(IMAGE, `${OCI_MANIFEST}; charset=utf-8`)?.mediaType, OCI_MANIFEST);
  });

  it('leaves out content of a digest that cannot be verified here', () => {
    const layers = [descriptor('x', LAYER, { digest: 'sha384:abc' }), descriptor('y')];
    assert.deepEqual(
      read({ ...IMAGE, layers }, OCI_MANIFEST)?.descriptors.map((one) => one.digest),
      [sha256('config'), sha256('y')],
    );
  });

  it('takes hostile keys as data', () => {
    const text = JSON.stringify(IMAGE).replace('{', '{"__proto__":{"layers":[]},"constructor":1,');
    assert.equal(readManifest(Buffer.from(text), OCI_MANIFEST)?.descriptors.length, 3);
    assert.equal(({} as Record<string, unknown>)['layers'], undefined);
    const inherited = '{"schemaVersion":2,"__proto__":{"config":{},"layers":[]}}';
    assert.equal(readManifest(Buffer.from(inherited), OCI_MANIFEST), undefined);
  });

  const AMBIGUOUS: readonly (readonly [string, unknown, string])[] = [
    ['types disagree', { ...IMAGE, mediaType: OCI_INDEX }, OCI_MANIFEST],
    ['an index is called an image', INDEX, OCI_MANIFEST],
    ['an image is called an index', IMAGE, OCI_INDEX],
    ['a docker manifest names no type', IMAGE, DOCKER_MANIFEST],
    ['layers and manifests stand together', { ...IMAGE, ...INDEX }, OCI_MANIFEST],
    ['manifests and layers stand together', { ...IMAGE, ...INDEX }, OCI_INDEX],
    ['schema 1 fields stand beside', { ...IMAGE, fsLayers: [] }, OCI_MANIFEST],
    ['a field is spelled in another case', { ...IMAGE, Layers: [] }, OCI_MANIFEST],
    ['the version is missing', { ...IMAGE, schemaVersion: undefined }, OCI_MANIFEST],
    ['the version is 1', { ...IMAGE, schemaVersion: 1 }, OCI_MANIFEST],
    ['it is schema 1', { schemaVersion: 1, fsLayers: [] }, DOCKER_SCHEMA1_SIGNED],
    ['the type is no manifest type', IMAGE, 'application/json'],
    ['the type is empty', IMAGE, ''],
    ['there is no config', { ...IMAGE, config: undefined }, OCI_MANIFEST],
    ['layers is no list', { ...IMAGE, layers: { length: 1 } }, OCI_MANIFEST],
    ['a layer is no object', { ...IMAGE, layers: ['x'] }, OCI_MANIFEST],
    ['a size is negative', { ...IMAGE, layers: [descriptor('x', LAYER, { size: -1 })] }, OCI_MANIFEST],
    ['a size is no integer', { ...IMAGE, layers: [descriptor('x', LAYER, { size: 1.5 })] }, OCI_MANIFEST],
    ['a size is a text', { ...IMAGE, layers: [descriptor('x', LAYER, { size: '3' })] }, OCI_MANIFEST],
    ['a digest is missing', { ...IMAGE, layers: [{ mediaType: LAYER, size: 1 }] }, OCI_MANIFEST],
    ['the subject is no descriptor', { ...IMAGE, subject: 'x' }, OCI_MANIFEST],
    ['it is a list', [IMAGE], OCI_MANIFEST],
    ['it is null', null, OCI_MANIFEST],
  ];
  for (const [why, document, type] of AMBIGUOUS) {
    it(`reads nothing where ${why}`, () => {
      assert.equal(read(document, type), undefined);
    });
  }

  it('reads nothing that is no JSON, no UTF-8, too deep or too large', () => {
    assert.equal(readManifest(Buffer.from('{'), OCI_MANIFEST), undefined);
    assert.equal(readManifest(Buffer.alloc(0), OCI_MANIFEST), undefined);
    const spoiled = Buffer.from(JSON.stringify({ ...IMAGE, annotations: { x: '#' } }));
    spoiled[spoiled.indexOf('#')] = 0xff;
    assert.equal(readManifest(spoiled, OCI_MANIFEST), undefined);
    assert.equal(readManifest(Buffer.alloc(MAX_MANIFEST_BYTES, '['), OCI_MANIFEST), undefined);
    const text = JSON.stringify(IMAGE);
    const full = Buffer.from(text + ' '.repeat(MAX_MANIFEST_BYTES - text.length));
    assert.equal(readManifest(full, OCI_MANIFEST)?.descriptors.length, 3);
    assert.equal(readManifest(Buffer.concat([full, Buffer.from(' ')]), OCI_MANIFEST), undefined);
  });

  it('reads nothing of more parts than can be parsed in a moment (J06)', () => {
    // Braces, brackets and commas of the document itself: a plain descriptor has four.
    const most = Math.floor((MAX_MANIFEST_PARTS - 4) / 4);
    const listing = (count: number) => ({
      schemaVersion: 2,
      manifests: Array(count).fill(descriptor('x', OCI_MANIFEST)),
    });
    assert.equal(read(listing(most), OCI_INDEX)?.descriptors.length, most);
    assert.equal(read(listing(most + 1), OCI_INDEX), undefined);
    const text = JSON.stringify(IMAGE).slice(0, -1);
    const n = MAX_MANIFEST_PARTS;
    const nested = `${'['.repeat(n)}${']'.repeat(n)}`;
    const many = [`[${'[],'.repeat(n / 2)}0]`, nested, `{${'"k":0,'.repeat(n)}"k":0}`];
    for (const more of many) {
      assert.equal(Array.isArray(JSON.parse(`[${more}]`)), true);
      assert.equal(readManifest(Buffer.from(`${text},"x":${more}}`), OCI_MANIFEST), undefined);
    }
  });
});
