import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { ProxyError } from '../../src/errors.js';
import type { UpstreamClient, UpstreamRequest } from '../../src/upstream/contract.js';
import {
  createRegistryHealth,
  isOutageFault,
  isOutageStatus,
  type Manner,
  type RegistryHealth,
  watchedBy,
} from '../../src/upstream/registry-health.js';

const target = { scheme: 'https', host: 'registry.test', port: 443 } as const;
const BEARER = 'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a:pull"';
const NEVER = { awayMs: 1e9, againMs: 1e9, unwantedMs: 1e9 };

describe('upstream/registry-health', () => {
  /** Hosts that answer, and how. */
  let hosts: Map<string, { status: number; headers?: string[] }>;
  let faults: Map<string, ProxyError>;
  let sent: string[];
  let rows: Map<string, Manner>;
  let changes: string[];
  let health: RegistryHealth;
  const client: UpstreamClient = {
    async send({ method, target: { host }, path }) {
      sent.push(`${method} ${host}${path}`);
      const fault = faults.get(host);
      if (fault) throw fault;
      const answer = hosts.get(host);
      if (!answer) throw new ProxyError('upstream-connect', `${host} is not there`);
      return { status: answer.status, headers: answer.headers ?? [], body: Readable.from([]), discard() {} };
    },
    async close() {},
  };

  function open(): RegistryHealth {
    return createRegistryHealth({
      client,
      memory: {
        get: async (registry) => rows.get(registry),
        set: async (registry, manner) => void rows.set(registry, manner),
      },
      onChange: ({ registry, what, isAway }) =>
        void changes.push(`${what} of ${registry}: ${isAway ? 'away' : 'back'}`),
      times: NEVER,
    });
  }

  function request(path: string, headers: string[] = []): UpstreamRequest {
    return { target, method: 'GET', path, headers };
  }

  beforeEach(() => {
    hosts = new Map([
      ['registry.test', { status: 401, headers: ['WWW-Authenticate', BEARER] }],
      ['auth.test', { status: 200 }],
    ]);
    sent = [];
    faults = new Map();
    rows = new Map();
    changes = [];
    health = open();
  });
  afterEach(() => health.close());

  const settled = () => new Promise((resolve) => setImmediate(resolve));

  it('asks whether anybody is there when a request fails, and counts the registry as away where nobody is', async () => {
    const watched = watchedBy(client, health);
    hosts.delete('registry.test');
    await assert.rejects(watched.send(request('/v2/a/manifests/v1')));
    await settled();
    assert.deepEqual(sent, ['GET registry.test/v2/a/manifests/v1', 'GET registry.test/v2/']);
    assert.equal(health.isAway(target, false), true);
    assert.deepEqual(changes, ['registry of registry.test: away']);
    assert.deepEqual(
      health.away.map(({ registry, what }) => [registry, what]),
      [['registry.test', 'registry']],
    );
  });

  it('takes a registry for there that has a fault with one thing only', async () => {
    const watched = watchedBy(client, health);
    const ping = hosts.get('registry.test');
    hosts.set('registry.test', { status: 503 });
    const failing = watched.send(request('/v2/a/manifests/v1'));
    hosts.set('registry.test', ping ?? { status: 200 });
    await failing;
    await settled();
    assert.equal(health.isAway(target, false), false);
  });

  it('watches registries, and not where they redirect to', async () => {
    const watched = watchedBy(client, health);
    const cdn = { scheme: 'https', host: 'cdn.test', port: 443 } as const;
    await assert.rejects(watched.send({ target: cdn, method: 'GET', path: '/data', headers: [] }));
    await settled();
    assert.deepEqual(sent, ['GET cdn.test/data']);
  });

  it('counts a registry as away for strangers whose token server is not there, and for nobody else', async () => {
    const watched = watchedBy(client, health);
    await watched.send(request('/v2/'));
    await settled();
    assert.equal(await health.tokenServerAnswers(target), true);
    hosts.delete('auth.test');
    health.unreachable('elsewhere.test', 443);
    health.unreachable('auth.test', 443);
    await settled();
    await settled();
    assert.equal(health.isAway(target, true), true);
    assert.equal(health.isAway(target, false), false);
    assert.equal(await health.tokenServerAnswers(target), false);
    assert.deepEqual(changes, ['token server of registry.test: away']);
  });

  for (const code of ['upstream-tls', 'egress-refused', 'upstream-protocol'] as const) {
    it(`takes a token server for there that it could not ask for another reason (${code})`, async () => {
      await watchedBy(client, health).send(request('/v2/'));
      await settled();
      faults.set('auth.test', new ProxyError(code, 'x'));
      assert.equal(await health.tokenServerAnswers(target), true);
      assert.equal(health.isAway(target, true), false);
    });
  }

  it('asks a token server that was not heard of for a while, and without anybody’s scope', async () => {
    await watchedBy(client, health).send(request('/v2/'));
    await settled();
    sent = [];
    assert.equal(await health.tokenServerAnswers(target), true);
    assert.equal(await health.tokenServerAnswers(target), true);
    assert.deepEqual(sent, ['GET auth.test/token?service=registry.test']);
  });

  it('remembers how a registry treats strangers, across restarts', async () => {
    await watchedBy(client, health).send(request('/v2/'));
    await settled();
    health.close();
    health = open();
    const manner = { ping: 'bearer', realm: 'https://auth.test/token', service: 'registry.test' };
    assert.deepEqual(await health.manner(target), manner);
    hosts.delete('auth.test');
    assert.equal(await health.tokenServerAnswers(target), false);
  });

  for (const [what, status, headers, sentHeaders, ping] of [
    ['nothing asked for', 200, [], [], 'none'],
    ['a password asked for', 401, ['WWW-Authenticate', 'Basic realm="x"'], [], 'basic'],
    ['a yes to somebody whom it knows', 200, [], ['Authorization', 'Basic x'], undefined],
    ['a yes to somebody whom it may know by another header', 200, [], ['X-JFrog-Art-Api', 'key'], undefined],
    ['a yes to a client that says what it is', 200, [], ['User-Agent', 'docker/29', 'Accept', '*/*'], 'none'],
    ['a refusal without a challenge', 401, [], [], undefined],
  ] as const) {
    it(`learns from its answer to GET /v2/: ${what}`, async () => {
      hosts.set('registry.test', { status, headers: [...headers] });
      await watchedBy(client, health).send(request('/v2/', [...sentHeaders]));
      await settled();
      assert.equal((await health.manner(target)).ping, ping);
    });
  }

  it('knows what is an outage and what is not', () => {
    for (const status of [429, 500, 502, 503, 504, 521, 524])
      assert.equal(isOutageStatus(status), true, String(status));
    for (const status of [200, 307, 400, 401, 403, 404, 416, 501, 505, 599]) {
      assert.equal(isOutageStatus(status), false, String(status));
    }
    for (const code of [
      'upstream-dns',
      'upstream-connect',
      'upstream-timeout',
      'upstream-truncated',
      'offline',
    ] as const)
      assert.equal(isOutageFault(new ProxyError(code, '')), true, code);
    for (const code of [
      'upstream-tls',
      'upstream-protocol',
      'egress-refused',
      'upstream-redirect',
      'client-gone',
      'loop',
    ] as const)
      assert.equal(isOutageFault(new ProxyError(code, '')), false, code);
    assert.equal(isOutageFault(new Error('a mistake of ours')), false);
  });
});
