import assert from 'node:assert/strict';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.js';
import { findContent } from '../../src/pipeline/find-content.js';
import { digestOfBytes } from '../support/memory-store.js';
import { openStage, type Stage } from './stage.js';

const BYTES = Buffer.from('{"content":1}');
const DIGEST = digestOfBytes(BYTES);

describe('pipeline/find-content', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await openStage();
  });
  afterEach(() => stage.close());

  function find(
    kind: 'blobs' | 'manifests',
    sizeBytes: number | undefined,
    accept = OCI_MANIFEST,
    repository = 'team/app',
  ) {
    const visit = stage.visit({ path: `/v2/${repository}/${kind}/${DIGEST}`, headers: ['Accept', accept] });
    return findContent(visit, DIGEST, { sizeBytes });
  }

  async function hold(mediaType: string | undefined, delivered = true): Promise<void> {
    await stage.store.put(DIGEST, BYTES, mediaType);
    if (delivered) await stage.context.access.delivered(`${stage.registry.authority} team/app`, DIGEST);
  }

  it('finds what is held, as long as the registry says, delivered here, and of a type that is taken', async () => {
    await hold(OCI_MANIFEST);
    assert.equal((await find('manifests', BYTES.length))?.digest, DIGEST);
    assert.equal((await find('manifests', undefined, '*/*'))?.digest, DIGEST);
    assert.equal((await find('blobs', BYTES.length, 'nothing/else'))?.digest, DIGEST);
  });

  const misses: readonly [string, () => ReturnType<typeof find>][] = [
    ['of another length', () => find('blobs', BYTES.length + 1)],
    ['of no length', () => find('blobs', 0)],
    ['of another type', () => find('manifests', BYTES.length, OCI_INDEX)],
    ['of a type for a client that names none', () => find('manifests', BYTES.length, '')],
    ['that another repository delivered', () => find('blobs', BYTES.length, '', 'team/other')],
  ];
  for (const [what, look] of misses) {
    it(`finds nothing ${what}`, async () => {
      await hold(OCI_MANIFEST);
      assert.equal(await look(), undefined);
    });
  }

  it('finds no manifest where only a blob was delivered, nothing that nobody delivered, nothing that is not held', async () => {
    assert.equal(await find('blobs', BYTES.length), undefined);
    await hold(undefined, false);
    assert.equal(await find('blobs', BYTES.length), undefined);
    await hold(undefined);
    assert.ok(await find('blobs', BYTES.length));
    assert.equal(await find('manifests', BYTES.length, '*/*'), undefined);
  });
});
