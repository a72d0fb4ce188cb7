import assert from 'node:assert/strict';
import { parseDigest } from '../../src/oci/digest.js';
import { AnonymousAsker } from '../../src/upstream/anonymous.js';
import type { UpstreamClient } from '../../src/upstream/contract.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import type { Misbehaviour } from '../support/registry-answer.js';
import type { TestManifest } from '../support/registry-content.js';
import { authority, testClient } from './loopback.js';

describe('upstream/anonymous', () => {
  let client: UpstreamClient;
  let registry: FakeRegistry;
  let image: TestManifest;
  let asker: AnonymousAsker;

  async function start(auth: 'none' | 'basic' | 'token'): Promise<void> {
    registry = await startFakeRegistry({ auth, authority });
    image = registry.content.addImage('team/app', 'v1');
    client = testClient();
    asker = new AnonymousAsker(client, '1.1 entrepot-test');
  }

  afterEach(async () => {
    await client.close();
    await registry.close();
  });

  function ask(sizeBytes = image.bytes.length, digest = image.digest) {
    const target = { scheme: 'https' as const, host: registry.host, port: registry.port };
    const parsed = parseDigest(digest);
    assert.ok(parsed);
    return asker.isPublic(target, 'team/app', parsed, sizeBytes);
  }

  it('sees what an open registry shows to anybody, by one HEAD of the digest', async () => {
    await start('none');
    assert.equal(await ask(), 'public');
    const [request] = registry.requests;
    assert.deepEqual([registry.requests.length, request?.method, request?.reference], [1, 'HEAD', image.digest]);
    assert.ok(request?.headers.includes('1.1 entrepot-test'));
  });

  it('takes a token that anybody gets, keeps it, and shows the token server nothing', async () => {
    await start('token');
    assert.equal(await ask(), 'public');
    assert.equal(await ask(), 'public');
    assert.equal(registry.hits({ server: 'token' }), 1);
    assert.equal(registry.hits({ server: 'token', authorized: true }), 0);
    assert.equal(registry.hits({ kind: 'manifest' }), 3);
  });

  it('takes another token where the one that it has is not good any more', async () => {
    await start('token');
    assert.equal(await ask(), 'public');
    registry.auth.revokeTokens();
    assert.equal(await ask(), 'public');
    assert.equal(registry.hits({ server: 'token' }), 2);
  });

  it('gives up when it is told to', async () => {
    await start('none');
    registry.misbehave({ kind: 'manifest' }, { stall: 'head' });
    const stop = new AbortController();
    const target = { scheme: 'https' as const, host: registry.host, port: registry.port };
    const digest = parseDigest(image.digest);
    assert.ok(digest);
    const answer = asker.isPublic(target, 'team/app', digest, image.bytes.length, stop.signal);
    const asked = await registry.arrived({ kind: 'manifest' });
    stop.abort();
    assert.equal(await answer, 'unknown');
    await asked.over;
  });

  it('takes every refusal for private', async () => {
    await start('token');
    registry.auth.setAccess('team/app', ['alice']);
    assert.equal(await ask(), 'private');
    await registry.close();
    await client.close();
    await start('basic');
    assert.equal(await ask(), 'private');
    assert.equal(await ask(1, `sha256:${'0'.repeat(64)}`), 'private');
  });

  const pages: readonly [string, Misbehaviour, 'public' | 'private' | 'unknown'][] = [
    ['the right length and no digest', { dropHeaders: ['docker-content-digest'] }, 'public'],
    ['the right digest and no length', { dropHeaders: ['content-length'], contentLength: 'chunked' }, 'public'],
    ['a login page', { dropHeaders: ['docker-content-digest'], contentLength: 5000 }, 'unknown'],
    ['the right digest and another length', { contentLength: 5000 }, 'unknown'],
    ['another digest', { setHeaders: { 'Docker-Content-Digest': `sha256:${'1'.repeat(64)}` } }, 'unknown'],
    ['neither', { dropHeaders: ['docker-content-digest', 'content-length'], contentLength: 'chunked' }, 'unknown'],
    ['429', { status: 429 }, 'unknown'],
    ['500', { status: 500 }, 'unknown'],
    ['a redirect', { status: 307 }, 'unknown'],
    ['403', { status: 403 }, 'private'],
    ['404', { status: 404 }, 'private'],
    ['nothing at all', { hangUp: true }, 'unknown'],
  ];
  for (const [what, how, expected] of pages) {
    it(`takes ${what} for ${expected}`, async () => {
      await start('none');
      registry.misbehave({ kind: 'manifest' }, how);
      assert.equal(await ask(), expected);
    });
  }

  const tokens: readonly [string, Misbehaviour, string][] = [
    ['no JSON', { body: Buffer.from('<html>') }, 'private'],
    ['no token', { body: Buffer.from('{"token":7}') }, 'private'],
    ['a token of a megabyte', { body: Buffer.from(`{"token":"${'x'.repeat(1_000_000)}"}`) }, 'private'],
    ['a refusal', { status: 401 }, 'private'],
    ['429', { status: 429 }, 'unknown'],
    ['503', { status: 503 }, 'unknown'],
    ['nothing', { hangUp: true }, 'unknown'],
  ];
  for (const [what, how, expected] of tokens) {
    it(`takes ${what} from the token server for ${expected}`, async () => {
      await start('token');
      registry.misbehave({ server: 'token' }, how);
      assert.equal(await ask(), expected);
    });
  }

  it('takes access_token for a token, too', async () => {
    await start('token');
    assert.equal(await ask(), 'public');
    const [, value] =
      /^Bearer (.+)$/.exec(registry.requests.at(-1)?.headers.find((text) => text.startsWith('Bearer ')) ?? '') ?? [];
    asker = new AnonymousAsker(client, 'v');
    registry.misbehave({ server: 'token' }, { body: Buffer.from(JSON.stringify({ access_token: value })) });
    assert.equal(await ask(), 'public');
  });

  it('asks for no token where the challenge leads out of TLS or nowhere', async () => {
    await start('token');
    for (const realm of [`http://${registry.plainAuthority}/token`, 'nowhere', 'javascript:x', 'https://a..b/token']) {
      const challenge = { 'WWW-Authenticate': `Bearer realm="${realm}"` };
      const rule = registry.misbehave({ kind: 'manifest' }, { setHeaders: challenge });
      assert.notEqual(await ask(), 'public', realm);
      rule.remove();
    }
    assert.equal(registry.hits({ server: 'token' }), 0);
    assert.equal(
      registry.requests.every(({ scheme }) => scheme === 'https'),
      true,
    );
  });

  it('gives up on a token server that never ends its answer', async () => {
    await start('token');
    const rule = registry.misbehave({ server: 'token' }, { stall: 1 });
    asker = new AnonymousAsker(client, '1.1 entrepot-test', 200);
    assert.equal(await ask(), 'unknown');
    rule.release();
  });
});
