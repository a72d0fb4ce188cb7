import assert from 'node:assert/strict';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import type { ClientStyle, PulledImage } from '../support/pull-image.js';
import { CLIENT_STYLES, pullImage } from '../support/pull-image.js';
import type { TestImage, TestIndex } from '../support/registry-content.js';
import { summary } from '../support/registry-log.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * What a pull costs the registry, for each kind of client.
 *
 * The first pull of an image, by whichever client, moves each manifest and each blob once. Every later pull, by the
 * same or any other client, moves no body of a manifest or blob at all. What is left is counted exactly: the client's
 * own ping, one HEAD for the tag, and where the image is private, the client's own rounds without a credential and one
 * HEAD for each new token that asks for a digest first. Every body that comes from disk says so in Cache-Status.
 */

const ALICE = { user: 'alice', password: 'secret' };

/** What a warm pull of a public image asks of a registry without tokens. */
const WARM_ANONYMOUS: Record<ClientStyle, readonly string[]> = {
  docker: ['GET ping', 'HEAD manifest v1'],
  containerd: ['HEAD manifest v1'],
  podman: ['GET ping', 'HEAD manifest v1'],
  crane: ['GET ping', 'HEAD manifest v1'],
  oras: ['HEAD manifest v1'],
};

/** The same for a private image behind a token server; INDEX stands for the digest of the tag. */
const WARM_PRIVATE: Record<ClientStyle, readonly string[]> = {
  docker: ['GET ping', 'HEAD manifest v1'],
  // Its resolver and its fetcher each begin without a token; for the fetcher's, the digest is asked about once.
  containerd: [
    'HEAD manifest v1',
    'HEAD manifest v1',
    'HEAD manifest INDEX',
    'GET manifest INDEX',
    'HEAD manifest INDEX',
  ],
  podman: ['GET ping', 'HEAD manifest v1'],
  crane: ['GET ping', 'HEAD manifest v1'],
  // It begins without a token and pings nobody; the refusal that it must see is the answer to its own GET.
  oras: ['HEAD manifest v1', 'GET manifest v1', 'HEAD manifest v1'],
};

function bodiesMoved(registry: FakeRegistry): string[] {
  const moved = registry.find({ own: false, method: 'GET', status: 200 });
  return moved.filter(({ kind }) => kind === 'manifest' || kind === 'blob' || kind === 'data').map(summary);
}

function assertFromDisk(pulled: PulledImage): void {
  for (const { cacheStatus, digest } of [...pulled.manifests, ...pulled.blobs]) {
    assert.match(cacheStatus ?? '', /^entrepot; hit; detail=(granted|probed|resolved|public)$/, digest);
  }
}

function addIndex(registry: FakeRegistry, repository: string): { index: TestIndex; image: TestImage } {
  const image = registry.content.addImage(repository, undefined);
  const other = registry.content.addImage(repository, undefined, { label: 'arm64' });
  return { index: registry.content.addIndex(repository, 'v1', [image, other]), image };
}

describe('integration/cold-and-warm', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  for (const style of CLIENT_STYLES) {
    it(`brings a public image to ${style} once, and to everybody else from disk`, async () => {
      registry = await startFakeRegistry({ delivery: { redirect: 307 } });
      const { index, image } = addIndex(registry, 'library/app');
      proxy = await startProxy({ registries: [registry] });
      const request = { ...proxy.way, authority: registry.authority, repository: 'library/app', reference: 'v1' };

      const cold = await pullImage({ ...request, style });
      await proxy.settled();
      assert.equal(cold.digest, index.digest);
      const digests = [index.digest, image.digest];
      const blobs = [image.config.digest, ...image.layers.map((layer) => layer.digest)];
      const manifests = bodiesMoved(registry).filter((line) => line.startsWith('GET manifest'));
      assert.equal(manifests.length, digests.length, manifests.join('\n'));
      for (const digest of blobs) {
        assert.equal(registry.hits({ kind: 'blob', reference: digest }), 1);
        assert.equal(registry.hits({ kind: 'data', reference: digest }), 1);
      }

      for (const later of [style, ...CLIENT_STYLES.filter((other) => other !== style)]) {
        registry.forget();
        const warm = await pullImage({ ...request, style: later });
        assert.equal(warm.digest, index.digest);
        assert.equal(warm.blobs.length, blobs.length);
        assert.deepEqual(registry.find({ own: false }).map(summary), WARM_ANONYMOUS[later], `${later} after ${style}`);
        assertFromDisk(warm);
      }
    });

    it(`brings a private image to ${style} once, and again with fresh tokens from disk`, async () => {
      registry = await startFakeRegistry({ auth: 'token' });
      registry.auth.setAccess('team/app', ['alice']);
      const { index } = addIndex(registry, 'team/app');
      proxy = await startProxy({ registries: [registry] });
      const request = {
        ...proxy.way,
        authority: registry.authority,
        repository: 'team/app',
        reference: 'v1',
        credential: ALICE,
      };

      await pullImage({ ...request, style });
      await proxy.settled();
      for (const later of [style, ...CLIENT_STYLES.filter((other) => other !== style)]) {
        registry.forget();
        const warm = await pullImage({ ...request, style: later });
        assertFromDisk(warm);
        const asked = registry.find({ server: 'registry', own: false }).map(summary);
        const expected = WARM_PRIVATE[later].map((line) => line.replace('INDEX', index.digest));
        assert.deepEqual(asked, expected, `${later} after ${style}`);
      }
    });
  }

  it('counts hits and upstream bytes where the operator looks', async () => {
    registry = await startFakeRegistry();
    const { image } = addIndex(registry, 'library/app');
    proxy = await startProxy({ registries: [registry] });
    const request = {
      ...proxy.way,
      authority: registry.authority,
      repository: 'library/app',
      reference: 'v1',
    } as const;
    await pullImage({ ...request, style: 'podman' });
    await proxy.settled();
    const label = `registry="${registry.authority}"`;
    const fromUpstream = await proxy.metric(`entrepot_upstream_bytes_total{${label}}`);
    const blobBytes = [image.config, ...image.layers].reduce((sum, blob) => sum + blob.bytes.length, 0);
    assert.ok(fromUpstream > blobBytes, `${fromUpstream} > ${blobBytes}`);
    await pullImage({ ...request, style: 'podman' });
    const sent = await proxy.metric(`entrepot_sent_bytes_total{${label},source="cache"}`);
    assert.ok(sent > blobBytes, `${sent} > ${blobBytes}`);
    assert.equal(await proxy.metric('entrepot_fills_in_flight'), 0);
  });
});
