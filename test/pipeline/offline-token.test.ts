import assert from 'node:assert/strict';
import { parseChallenges } from '../../src/http/challenge.js';
import { headerValue } from '../../src/http/headers.js';
import {
  answerTokenRequest,
  asStranger,
  createOfflineTokens,
  isTokenRequest,
  offlineChallenge,
} from '../../src/pipeline/offline-token.js';
import type { RecordedReply } from './recorded-reply.js';
import { openStage, type Stage } from './stage.js';

const PATH = '/.well-known/entrepot/token';

describe('pipeline/offline-token', () => {
  let stage: Stage;
  before(async () => {
    stage = await openStage();
  });
  after(() => stage?.close());

  async function ask(query: string, more: { method?: string; body?: Buffer } = {}): Promise<RecordedReply> {
    const exchange = stage.exchange({ path: `${PATH}${query}`, ...more });
    await answerTokenRequest(exchange, stage.context.offlineTokens);
    return exchange.reply;
  }

  it('knows the tokens that it gave, for a quarter of an hour, and no others', () => {
    let now = 1_800_000_000_000;
    const tokens = createOfflineTokens(() => now);
    const shown = (token: string) => tokens.isShown(['authorization', `Bearer ${token}`]);
    const token = tokens.issue();
    assert.equal(shown(token), true);
    assert.equal(
      createOfflineTokens(() => now).isShown(['Authorization', `Bearer ${token}`]),
      false,
      'of another process',
    );
    assert.equal(shown(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`), false);
    assert.equal(shown(token.replace(/\.[0-9a-z]+\./, `.${(now + 1).toString(36)}.`)), false);
    for (const other of ['', 'x', 'entrepot.x', `entrepot.${now.toString(36)}.`]) assert.equal(shown(other), false);
    assert.equal(tokens.isShown([]), false);
    assert.equal(tokens.isShown(['Authorization', token]), false);
    now += 900_000;
    assert.equal(shown(token), false);
  });

  it('leads clients to an address that only the proxy answers', () => {
    const [challenge] = parseChallenges([offlineChallenge({ scheme: 'https', host: 'registry.test', port: 5000 })]);
    assert.equal(challenge?.params.get('realm'), `https://registry.test:5000${PATH}`);
    assert.equal(isTokenRequest(PATH), true);
    assert.equal(isTokenRequest(`${PATH}?scope=x`), true);
    for (const path of ['/token', `${PATH}s`, '/v2/', `${PATH}/x`]) assert.equal(isTokenRequest(path), false);
  });

  for (const query of [
    '?scope=repository:a:pull&service=entrepot',
    '?scope=repository:a:pull&scope=repository:b/c:pull',
    '?scope=repository%3Aa%3Apull%20repository%3Ab%3Apull&account=alice',
  ]) {
    it(`gives a token to who wants to pull (${query})`, async () => {
      const reply = await ask(query);
      assert.equal(reply.status, 200);
      assert.equal(reply.header('Cache-Control'), 'no-store');
      const { token, access_token, expires_in } = JSON.parse(reply.text);
      assert.ok(stage.context.offlineTokens.isShown(['Authorization', `Bearer ${token}`]));
      assert.deepEqual([access_token, expires_in], [token, 300]);
    });
  }

  it('reads the form that containerd sends', async () => {
    const form = 'grant_type=password&service=x&scope=repository%3Aa%3Apull&username=alice&password=secret';
    assert.equal((await ask('', { method: 'POST', body: Buffer.from(form) })).status, 200);
    const huge = Buffer.from(`scope=repository%3Aa%3Apull&x=${'x'.repeat(70_000)}`);
    assert.equal((await ask('', { method: 'POST', body: huge })).status, 401);
  });

  for (const query of [
    '',
    '?account=alice&client_id=docker&offline_token=true&service=x',
    '?scope=repository:a:pull,push',
    '?scope=repository:a:pull&scope=repository:b:push',
    '?scope=registry:catalog:*',
    '?scope=repository:a:*',
  ]) {
    it(`refuses to who wants to log in or to push (${query})`, async () => {
      const reply = await ask(query);
      assert.equal(reply.status, 401);
      assert.match(reply.text, /UNAUTHORIZED.*nobody can be logged in/);
    });
  }

  it('makes a stranger of whoever shows one, and changes nothing else', () => {
    const headers = ['Accept', 'a/b', 'Authorization', 'Bearer x', 'X-Other', 'y'];
    const exchange = stage.exchange({ path: '/v2/a/manifests/v1', headers });
    const stranger = asStranger(exchange);
    assert.equal(headerValue(stranger.request.headers, 'authorization'), undefined);
    assert.deepEqual(stranger.request.headers, ['Accept', 'a/b', 'X-Other', 'y']);
    assert.equal(stranger.request.path, '/v2/a/manifests/v1');
    assert.equal(stranger.reply, exchange.reply);
    assert.equal(stranger.signal, exchange.signal);
  });
});
