import assert from 'node:assert/strict';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { account } from '../lab/topology.js';
import { type Dockerd, startDockerd } from './clients/dockerd.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';

/** The digest that a tag has at its registry, asked past the proxy. */
async function digestAt(reference: string): Promise<string> {
  const credentials = ['--creds', `${account.username}:${account.password}`];
  const format = ['--format', '{{.Digest}}', '--no-tags'];
  return (await run('skopeo', ['inspect', ...credentials, ...format, `docker://${reference}`])).trim();
}

describe('e2e: login and push', () => {
  let proxy: RunningProxy;
  let docker: Dockerd;

  before(async () => {
    proxy = await startProxy('data-push');
    docker = await startDockerd(join(session().lab.folder, 'client-push'), proxy.url);
  });

  after(async () => {
    await docker?.stop();
    assert.equal(await proxy?.stop(), 0);
  });

  for (const [title, registry] of [
    ['Docker Hub', ''],
    ['an htpasswd registry', 'registry.test'],
  ] as const) {
    it(`docker logs in at ${title} with the right password and with no other`, async () => {
      await assert.rejects(docker.login(registry, { ...account, password: 'wrong' }), /unauthorized|incorrect/i);
      await docker.login(registry, account);
    });
  }

  for (const registry of ['docker.io', 'quay.io', 'registry.test']) {
    it(`skopeo pushes an index to ${registry}`, async () => {
      const { folder, root } = session().lab.fixtures.multi;
      const target = `${registry}/pushed/skopeo:v1`;
      const credentials = ['--dest-creds', `${account.username}:${account.password}`];
      const args = ['copy', '-q', '--all', ...credentials, `oci:${folder}:v1`, `docker://${target}`];
      await run('skopeo', args, { env: { HTTPS_PROXY: proxy.url } });
      assert.equal(await digestAt(target), root);
    });

    it(`docker pushes to ${registry} and pulls it back`, async () => {
      const source = 'quay.io/library/small:v1';
      const target = `${registry}/pushed/docker:v1`;
      await docker.pull(source);
      await docker.push(source, target, registry === 'quay.io' ? undefined : account);
      await docker.forget(target);
      await docker.forget(source);
      await docker.pull(target, registry === 'quay.io' ? undefined : account);
      await docker.check(target, session().lab.fixtures.small.platforms[0]);
      await docker.forget(target);
    });
  }
});
