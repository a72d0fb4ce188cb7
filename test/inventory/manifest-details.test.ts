import assert from 'node:assert/strict';
import { readConfigPlatform, readDetails } from '../../src/inventory/manifest-details.js';
import { OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from './stage.js';

function digest(digit: string): string {
  return `sha256:${digit.repeat(64)}`;
}

function indexOf(...manifests: object[]): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }));
}

function child(digit: string, more: object): object {
  return { mediaType: OCI_MANIFEST, digest: digest(digit), size: 1, ...more };
}

describe('inventory/manifest-details', () => {
  it('reads the platforms of an index', () => {
    const bytes = indexOf(
      child('1', { platform: { os: 'linux', architecture: 'amd64' } }),
      child('2', { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }),
      child('3', {}),
    );
    const details = readDetails(bytes, OCI_INDEX);
    assert.deepEqual(
      [...(details?.platforms ?? [])],
      [
        [digest('1'), 'linux/amd64'],
        [digest('2'), 'linux/arm/v7'],
      ],
    );
    assert.equal(details?.descriptors.length, 3);
    assert.equal(details?.config, undefined);
  });

  it('knows attestations from images', () => {
    const bytes = indexOf(
      child('1', {
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
      }),
    );
    const details = readDetails(bytes, OCI_INDEX);
    assert.deepEqual([...(details?.attestations ?? [])], [digest('1')]);
    assert.equal(details?.platforms.size, 0);
  });

  it('knows the configuration from the layers', () => {
    const document = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: digest('c'), size: 1 },
      layers: [{ mediaType: OCI_LAYER, digest: digest('1'), size: 1 }],
    };
    assert.equal(readDetails(Buffer.from(JSON.stringify(document)), OCI_MANIFEST)?.config, digest('c'));
  });

  it('shows nothing of a platform that a terminal or a page could take for more', () => {
    for (const architecture of ['\u001b[31m', '<script>', 'a'.repeat(33), '', 7, null, 'a b', 'a\nb']) {
      const bytes = indexOf(child('1', { platform: { os: 'linux', architecture } }));
      assert.equal(readDetails(bytes, OCI_INDEX)?.platforms.size, 0, JSON.stringify(architecture));
      assert.equal(readConfigPlatform(Buffer.from(JSON.stringify({ os: 'linux', architecture }))), undefined);
    }
  });

  it('gives nothing for what is no manifest, and no platform for what is no configuration', () => {
    for (const text of ['', '{', 'null', '[]', '7', '{"schemaVersion":2}']) {
      assert.equal(readDetails(Buffer.from(text), OCI_INDEX), undefined, text);
      assert.equal(readConfigPlatform(Buffer.from(text)), undefined, text);
    }
    assert.equal(readConfigPlatform(Buffer.from('{"os":"linux","architecture":"s390x"}')), 'linux/s390x');
  });

  it('reads of a large manifest what it lists, and no more', () => {
    const annotations = { note: 'x'.repeat(1000) };
    const children = Array.from({ length: 600 }, (_, n) =>
      child('1', { platform: { os: 'linux', architecture: 'amd64' }, annotations, n }),
    );
    const details = readDetails(indexOf(...children), OCI_INDEX);
    assert.equal(details?.descriptors.length, 600);
    assert.equal(details?.platforms.size, 0);
  });
});
