import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { run } from '../lab/command.js';
import { account, otherAccount, topology } from '../lab/topology.js';
import type { Account, Client } from './clients/client.js';
import { startPodman } from './clients/containers-storage.js';
import { digestOfOutput, digestsIn } from './clients/digests.js';
import { type Dockerd, startDockerd } from './clients/dockerd.js';
import { startSkopeo } from './clients/skopeo.js';
import { type Where, withoutNames } from './clients/without-names.js';
import { type RunningProxy, startProxy } from './proxy.js';
import { session } from './session.js';
import { blobsOf, count, observe } from './upstream-counts.js';

// Tenants share one disk and nothing else: who has no right to an image hears from the proxy what the registry itself
// says, in the registry's words, and a registry that lies about what it has gets nothing out of the store.

const image = 'docker.io/private/secret';
const evilHost = topology.evil.names[0];
const wrong: Account = { ...account, password: 'wrong' };

type Attempt = () => Promise<unknown>;

/** Runs a program as it is, with the lab's names: it reaches registries without a proxy. */
const direct: Where = (program, args) => ({ program, args });

/** What a program says when it fails, without the command line, times and what differs from run to run. */
async function refusalOf(action: Attempt): Promise<string> {
  let said = '';
  await assert.rejects(action, (error: Error) => {
    said = error.message.slice(error.message.indexOf('\n') + 1);
    return true;
  });
  return said.replaceAll(/time="[^"]*" /g, '').trim();
}

/** The same program without and with the proxy: both fail, and with the same words, which are a registry's refusal. */
async function assertSameRefusal(plain: Attempt, proxied: Attempt, words: RegExp): Promise<void> {
  const expected = await refusalOf(plain);
  const said = await refusalOf(proxied);
  assert.match(expected, words);
  assert.equal(said, expected);
}

/** A registry that knows the private manifest, claims to hold every blob, and delivers bytes of the right length. */
async function startEvil(manifest: Buffer, sizes: ReadonlyMap<string, number>, asked: string[]): Promise<Server> {
  const { certificates } = session().lab;
  const tls = {
    key: readFileSync(certificates.serverKeyFile),
    cert: readFileSync(certificates.serverCertificateFile),
  };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const digest = session().lab.fixtures.secret.root;
  const server = createServer(tls, (request, response) => {
    const path = request.url ?? '';
    asked.push(`${request.method} ${path}`);
    const isManifest = path.includes('/manifests/');
    const size = sizes.get(path.slice(path.lastIndexOf('/') + 1)) ?? 0;
    const body = isManifest ? manifest : Buffer.alloc(size, 'evil');
    response.writeHead(200, {
      'content-type': isManifest ? mediaType : 'application/octet-stream',
      'content-length': body.length,
      'docker-distribution-api-version': 'registry/2.0',
      ...(isManifest ? { 'docker-content-digest': digest } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  server.listen(443, topology.evil.address);
  await once(server, 'listening');
  return server;
}

describe('e2e: tenants', () => {
  let proxy: RunningProxy;

  before(async () => {
    proxy = await startProxy('data-tenants', '--intercept', `auto,${evilHost}`);
  });

  after(async () => {
    assert.equal(await proxy?.stop(), 0);
  });

  const folderOf = (name: string): string => join(session().lab.folder, `tenants-${name}`);

  type Start = (
    folder: string,
    proxyUrl: string,
    where?: Where,
  ) => Promise<Client & Partial<Pick<Dockerd, 'remember'>>>;
  const clients: Record<string, Start> = { skopeo: startSkopeo, podman: startPodman, dockerd: startDockerd };

  for (const [name, start] of Object.entries(clients)) {
    it(`shows ${name} the registry's own refusal of a private image that stands on disk`, async () => {
      const started: Client[] = [];
      try {
        const plain = await start(folderOf(`${name}-plain`), '', direct);
        started.push(plain);
        const proxied = await start(folderOf(name), proxy.url);
        started.push(proxied);
        const reference = `${image}:v1`;
        await proxied.pull(reference, account);
        await proxied.forget(reference);
        // Docker refuses at the login already, which is no pull.
        for (const client of [plain, proxied]) await client.remember?.(wrong);

        // A tag is asked about upstream anyway; a digest stands on disk and has nothing but the access rule before it.
        for (const asked of [reference, `${image}@${session().lab.fixtures.secret.root}`]) {
          await assertSameRefusal(
            () => plain.pull(asked),
            () => proxied.pull(asked),
            /denied|unauthorized/i,
          );
        }
        await assertSameRefusal(
          () => plain.pull(reference, wrong),
          () => proxied.pull(reference, wrong),
          /unauthorized|incorrect username or password/i,
        );

        const { blobBodies } = count(await observe(() => proxied.pull(reference, account)));
        assert.equal(blobBodies, 0);
        await proxied.check(reference, session().lab.fixtures.secret.platforms[0]);
      } finally {
        for (const client of started) await client.stop();
      }
    });
  }

  it("refuses another tenant a private image on disk by tag, by digest and below the tenant's own path", async () => {
    const skopeo = await startSkopeo(folderOf('bob'), proxy.url);
    await skopeo.pull(`${image}:v1`, account);
    await skopeo.forget(`${image}:v1`);
    const { root } = session().lab.fixtures.secret;
    const credentials = `${otherAccount.username}:${otherAccount.password}`;

    function as(where: Where, proxyUrl: string, ...args: string[]): Promise<string> {
      const command = where('skopeo', args);
      return run(command.program, command.args, { env: { HTTPS_PROXY: proxyUrl } });
    }
    const to = `dir:${folderOf('bob-copy')}`;
    const attempts: [string[], RegExp][] = [
      [['inspect', '--creds', credentials, `docker://${image}:v1`], /denied|unauthorized/i],
      [['inspect', '--creds', credentials, `docker://${image}@${root}`], /denied|unauthorized/i],
      [['copy', '-q', '--src-creds', credentials, `docker://${image}@${root}`, to], /denied|unauthorized/i],
      [['copy', '-q', '--src-creds', credentials, `docker://docker.io/library/small@${root}`, to], /manifest unknown/i],
    ];
    for (const [args, words] of attempts) {
      await assertSameRefusal(
        () => as(direct, '', ...args),
        () => as(withoutNames, proxy.url, ...args),
        words,
      );
    }
    // The tenant is a known one, who gets what everybody may have.
    await skopeo.pull('docker.io/library/small:v1', otherAccount);
    await skopeo.check('docker.io/library/small:v1', session().lab.fixtures.small.platforms[0]);
  });

  it('gives an evil registry that claims the private blobs none of their bytes', async () => {
    const { secret } = session().lab.fixtures;
    const [platform] = secret.platforms;
    const blob = (digest: string): Promise<Buffer> =>
      readFile(join(secret.folder, 'blobs', 'sha256', digest.slice('sha256:'.length)));
    const sizes = new Map<string, number>();
    for (const digest of blobsOf(platform)) sizes.set(digest, (await blob(digest)).length);
    const asked: string[] = [];
    const skopeo = await startSkopeo(folderOf('victim'), proxy.url);
    const thief = await startSkopeo(folderOf('thief'), proxy.url);
    await skopeo.pull(`${image}:v1`, account);
    const evil = await startEvil(await blob(secret.root), sizes, asked);
    try {
      await assert.rejects(thief.pull(`${evilHost}/private/secret:v1`), /digest|did not match|EOF|502/i);
      const held = await digestsIn(folderOf('thief'));
      for (const digest of blobsOf(platform)) {
        const { program, args } = withoutNames('curl', [
          ...['-s', '--proxy', proxy.url],
          `https://${evilHost}/v2/private/secret/blobs/${digest}`,
        ]);
        held.add(await digestOfOutput(program, args));
        assert.ok(!held.has(digest), `${digest} got out`);
        // The proxy asked the registry for its bytes: the question was never answered from the store.
        assert.ok(asked.includes(`GET /v2/private/secret/blobs/${digest}`));
      }
    } finally {
      evil.close();
      evil.closeAllConnections();
    }
    const lines = (await proxy.log()).filter(({ registry }) => registry === evilHost);
    assert.ok(lines.some(({ kind }) => kind === 'blob'));
    assert.deepEqual(
      lines.filter(({ kind, cache }) => kind === 'blob' && cache === 'hit'),
      [],
    );

    // What the evil registry sent has not taken the place of the victim's bytes.
    await skopeo.forget(`${image}:v1`);
    const { blobBodies } = count(await observe(() => skopeo.pull(`${image}:v1`, account)));
    assert.equal(blobBodies, 0);
    await skopeo.check(`${image}:v1`, platform);
  });
});
