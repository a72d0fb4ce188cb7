import assert from 'node:assert/strict';
import type { RecordedReply } from './recorded-reply.js';
import { openStage, type Stage } from './stage.js';

/** No timers, and no second thoughts: the stage asks when it is told. */
const watch = { awayMs: 1e9, againMs: 1e9, unwantedMs: 1e9 };

describe('pipeline/ping', () => {
  let stage: Stage;
  afterEach(() => stage?.close());

  function ping(headers: readonly string[] = []): Promise<RecordedReply> {
    return stage.ask({ path: '/v2/', headers });
  }

  async function away(): Promise<void> {
    await stage.registry.halt('refuse');
    assert.equal(await stage.context.health.answers(stage.target), false);
  }

  it('passes on what the registry says, as long as it says something', async () => {
    stage = await openStage({ auth: 'token', watch });
    const reply = await ping();
    assert.equal(reply.status, 401);
    assert.match(reply.header('WWW-Authenticate') ?? '', /realm="https:\/\/127\.0\.0\.1:\d+\/token"/);
  });

  it('sends strangers to its own token server where the registry has one and is away', async () => {
    stage = await openStage({ auth: 'token', watch });
    await ping();
    await away();
    const reply = await ping();
    assert.equal(reply.status, 401);
    assert.equal(reply.header('Docker-Distribution-Api-Version'), 'registry/2.0');
    assert.match(
      reply.header('WWW-Authenticate') ?? '',
      /^Bearer realm="https:\/\/[^"]+\/\.well-known\/entrepot\/token"/,
    );
    const token = stage.context.offlineTokens.issue();
    assert.equal((await ping(['Authorization', `Bearer ${token}`])).status, 200);
  });

  it('does so, too, where only the token server is away', async () => {
    stage = await openStage({ auth: 'token', watch });
    await stage.registry.halt('refuse', 'token');
    assert.match((await ping()).header('WWW-Authenticate') ?? '', /entrepot\/token"/);
    assert.equal(stage.registry.hits({ kind: 'ping', own: false }), 1);
    assert.equal(
      (await ping(['Authorization', 'Bearer wrong'])).status,
      401,
      'who has a token is the registry’s affair',
    );
    assert.equal(stage.registry.hits({ kind: 'ping', own: false }), 2);
  });

  it('says yes to strangers where the registry did', async () => {
    stage = await openStage({ watch });
    await ping();
    await away();
    const reply = await ping();
    assert.deepEqual([reply.status, reply.text], [200, '{}']);
  });

  it('asks for a password where the registry did, and takes none', async () => {
    stage = await openStage({ auth: 'basic', watch });
    await ping();
    await away();
    assert.match((await ping()).header('WWW-Authenticate') ?? '', /^Basic /);
    for (const password of ['secret', 'wrong']) {
      const basic = Buffer.from(`alice:${password}`).toString('base64');
      assert.equal((await ping(['Authorization', `Basic ${basic}`])).status, 502);
    }
  });

  it('says nothing for a host of which nobody knows that it is a registry, nor with --outage fail', async () => {
    stage = await openStage({ watch });
    await away();
    assert.equal((await ping()).status, 502);
    await stage.close();
    stage = await openStage({ outage: 'fail', watch });
    await ping();
    await away();
    assert.equal((await ping()).status, 502);
  });
});
