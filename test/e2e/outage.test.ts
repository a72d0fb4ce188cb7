import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run } from '../lab/command.js';
import { publish } from '../lab/fixtures.js';
import { account } from '../lab/topology.js';
import type { Client, StartClient } from './clients/client.js';
import { startCri, startCtr } from './clients/containerd.js';
import { startBuildah, startPodman } from './clients/containers-storage.js';
import { type Dockerd, startDockerd } from './clients/dockerd.js';
import { startSkopeo } from './clients/skopeo.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

// Everything that the proxy gets its images from goes away: the registries are killed, the token server and the CDN
// take no more connections, and the proxy itself starts anew. Clients are not told.

const starts: Readonly<Record<string, StartClient>> = {
  skopeo: startSkopeo,
  podman: startPodman,
  buildah: startBuildah,
  dockerd: startDockerd,
  ctr: startCtr,
  CRI: startCri,
};

const PUBLIC = [
  ['docker.io/library/small', 'small'],
  ['quay.io/library/multi', 'multi'],
] as const;

describe('e2e: outage', () => {
  const clients = new Map<string, Client>();
  let proxy: RunningProxy;

  /** Resolves when the proxy has asked, in its own name, whether each public image may be read by anybody. */
  async function proven(): Promise<void> {
    for (;;) {
      const seen = await session().lab.seen();
      const own = seen.filter(
        (one) => /^entrepot\b/.test(one.userAgent) && one.method === 'HEAD' && one.status === 200,
      );
      if (PUBLIC.every(([name]) => own.some(({ path }) => path.includes(name.slice(name.indexOf('/') + 1))))) return;
      await sleep(50);
    }
  }

  before(async function () {
    this.timeout(180_000);
    const { folder, fixtures } = session().lab;
    await publish(fixtures.moving[0], 'library/moving');
    proxy = await startProxy('data-outage');
    for (const [name, start] of Object.entries(starts)) {
      const client = await start(join(folder, `client-outage-${name}`), proxy.url);
      clients.set(name, client);
      for (const [image] of PUBLIC) {
        await client.pull(`${image}:v1`);
        await client.forget(`${image}:v1`);
      }
    }
    const skopeo = clients.get('skopeo') as Client;
    await skopeo.pull('docker.io/private/secret:v1', account);
    await skopeo.pull('quay.io/library/moving:v1');
    await proven();
    await proxy.stop();
    await session().lab.kill();
    proxy = await startProxy('data-outage');
  });

  after(async () => {
    for (const client of clients.values()) await client.stop();
    await proxy?.stop();
  });

  for (const name of Object.keys(starts)) {
    it(`${name} pulls what is public, by tag and by digest`, async () => {
      const client = clients.get(name) as Client;
      for (const [image, fixture] of PUBLIC) {
        const source = session().lab.fixtures[fixture];
        for (const reference of [`${image}:v1`, `${image}@${source.root}`]) {
          await client.pull(reference);
          await client.check(reference, source.platforms[0]);
          await client.forget(reference);
        }
      }
    });

    it(`${name} gets nothing private, with the right password or without`, async () => {
      const client = clients.get(name) as Client;
      if (name === 'dockerd') await (client as Dockerd).remember(account);
      await assert.rejects(client.pull('docker.io/private/secret:v1'));
      await assert.rejects(client.pull('docker.io/private/secret:v1', account));
    });
  }

  it('docker and skopeo log in with no password, right or wrong', async () => {
    const docker = clients.get('dockerd') as Dockerd;
    for (const password of [account.password, 'wrong']) {
      await assert.rejects(docker.login('', { ...account, password }));
      const login = ['login', '-u', account.username, '-p', password, '--authfile', '/dev/null', 'docker.io'];
      await assert.rejects(run('skopeo', login, { env: { HTTPS_PROXY: proxy.url } }));
    }
  });

  it('says which registries are away', async () => {
    const ready = (await (await fetch(`${proxy.admin}/readyz`)).json()) as { warnings: string[] };
    assert.match(ready.warnings.join('\n'), /docker\.io has not answered for \d+ s/);
    const metrics = await (await fetch(`${proxy.admin}/metrics`)).text();
    assert.match(metrics, /^entrepot_registry_up\{registry="quay.io",part="registry"\} 0$/m);
  });

  it('is back to live within ten seconds of the recovery', async function () {
    this.timeout(60_000);
    const [before, after] = session().lab.fixtures.moving;
    const skopeo = clients.get('skopeo') as Client;
    await skopeo.pull('quay.io/library/moving:v1');
    await skopeo.check('quay.io/library/moving:v1', before.platforms[0]);
    await session().lab.revive();
    const recoveredAt = performance.now();
    await publish(after, 'library/moving');
    for (;;) {
      await skopeo.forget('quay.io/library/moving:v1');
      await skopeo.pull('quay.io/library/moving:v1');
      if (await succeeds(skopeo.check('quay.io/library/moving:v1', after.platforms[0]))) break;
      assert.ok(performance.now() - recoveredAt < 30_000, 'still stale');
      await sleep(250);
    }
    // The other registry was given up for itself, and comes back in its own time.
    while (!(await succeeds(skopeo.pull('docker.io/private/secret:v1', account)))) {
      assert.ok(performance.now() - recoveredAt < 30_000, 'still away');
      await sleep(250);
    }
    await publish(before, 'library/moving');
  });
});

function succeeds(doing: Promise<unknown>): Promise<boolean> {
  return doing.then(
    () => true,
    () => false,
  );
}
