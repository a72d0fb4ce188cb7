import assert from 'node:assert/strict';
import {
  ACCEPT_ALL_MANIFESTS,
  acceptAllows,
  bareMediaType,
  DOCKER_LIST,
  DOCKER_MANIFEST,
  DOCKER_SCHEMA1_SIGNED,
  isManifestType,
  normaliseAccept,
  OCI_ARTIFACT_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-types.js';

describe('oci/media-types', () => {
  it('tells manifests from other content', () => {
    for (const type of [OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT_MANIFEST, DOCKER_MANIFEST, DOCKER_LIST]) {
      assert.equal(isManifestType(type), true);
    }
    assert.equal(isManifestType(`${DOCKER_SCHEMA1_SIGNED}; charset=utf-8`), true);
    assert.equal(isManifestType('application/vnd.oci.image.layer.v1.tar+gzip'), false);
    assert.equal(isManifestType('application/json'), false);
  });

  it('drops the parameters of a type', () => {
    assert.equal(bareMediaType(' Application/JSON ; charset=utf-8'), 'application/json');
  });

  const ROWS: readonly (readonly [readonly string[], string, boolean])[] = [
    [[OCI_MANIFEST], OCI_MANIFEST, true],
    [[OCI_MANIFEST.toUpperCase()], OCI_MANIFEST, true],
    [[OCI_MANIFEST], `${OCI_MANIFEST}; charset=utf-8`, true],
    [[OCI_MANIFEST], OCI_INDEX, false],
    [[`${OCI_MANIFEST}, ${OCI_INDEX}`], OCI_INDEX, true],
    [[OCI_MANIFEST, OCI_INDEX], OCI_INDEX, true],
    [['*/*'], OCI_INDEX, true],
    [['application/*'], OCI_INDEX, true],
    [['text/*'], OCI_INDEX, false],
    [[`${OCI_INDEX};q=0`], OCI_INDEX, false],
    [[`${OCI_INDEX};q=0.0, */*`], OCI_INDEX, false],
    [['application/*;q=0, */*'], OCI_INDEX, false],
    [[`application/*;q=0, ${OCI_INDEX};q=0.1`], OCI_INDEX, true],
    [[`${OCI_INDEX} ; q=0.5`], OCI_INDEX, true],
    [[`${OCI_INDEX};profile=x`], OCI_INDEX, false],
    [[`${OCI_INDEX};q=high`], OCI_INDEX, false],
    [['application/json'], OCI_INDEX, false],
    [[], OCI_INDEX, false],
    [[''], OCI_INDEX, false],
    [[ACCEPT_ALL_MANIFESTS], DOCKER_LIST, true],
  ];
  for (const [lines, type, allowed] of ROWS) {
    it(`${allowed ? 'gives' : 'does not give'} ${type} to ${JSON.stringify(lines)}`, () => {
      assert.equal(acceptAllows(lines, type), allowed);
    });
  }

  it('gives one text for the same types in any order, case and line split', () => {
    const text = normaliseAccept(['b/c;q=0.5, A/b', '*/*']);
    assert.equal(text, '*/*,a/b,b/c;q=0.5');
    assert.equal(normaliseAccept(['a/b ,  */*,', 'B/C; q=0.5', 'a/b']), text);
    assert.equal(normaliseAccept([]), '');
  });

  it('keeps sets apart that differ in a weight', () => {
    assert.notEqual(normaliseAccept(['a/b;q=0']), normaliseAccept(['a/b']));
  });
});
