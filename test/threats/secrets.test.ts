import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headerValue } from '../../src/http/headers.js';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet, proxyOpen } from '../support/pull.js';
import { CLIENT_STYLES, pullImage } from '../support/pull-image.js';
import { ConnectRefused, exchangeRaw, openTunnel } from '../support/raw-client.js';
import { seededBytes } from '../support/registry-content.js';
import { type ProxyProcess, spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Secrets stay where they were sent.
 *
 * Every place that can hold a secret holds one that is easy to find: Authorization of three kinds, Proxy-Authorization,
 * cookies, keys of other products, bodies of token servers, signed addresses, user info, queries, Referer. The program
 * itself runs with its most talkative log, through pulls, refusals, redirects to nowhere and broken answers; then
 * everything that it has written, said or answered in its own name is searched for each of them.
 */

const CANARY = 'c4n4ry';

function canary(place: string): string {
  return `${CANARY}-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`;
}

describe('threats/secrets', function () {
  this.timeout(60_000);
  let registry: FakeRegistry;
  let folder: TempDir;
  /** Files that somebody made for the proxy, which hold secrets because that is what they are for. */
  let given: TempDir;
  let proxy: ProxyProcess;
  let admin: string;
  /** Answers that the proxy made itself. */
  let own: string[];

  before(async () => {
    registry = await startFakeRegistry({
      auth: 'token',
      users: { alice: canary('password') },
      delivery: { redirect: 307 },
    });
    registry.auth.setAccess('team/app', ['alice']);
    folder = await createTempDir();
    given = await createTempDir();
    const parents = join(given.path, 'parents');
    await writeFile(parents, `127.0.0.1:9 me:${canary('parent')}\n`);
    const flags = {
      'log-level': 'debug',
      'upstream-proxy': 'http://127.0.0.1:9,direct',
      'upstream-proxy-auth': parents,
    };
    proxy = await spawnProxy(folder.path, { registries: [registry], flags });
    admin = /"adminListen":"([^"]+)"/.exec(proxy.output())?.[1] ?? '';
    own = [];
  });
  after(async () => {
    if (proxy?.process.exitCode === null) await proxy.end('SIGKILL');
    await registry?.close();
    await folder?.remove();
    await given?.remove();
  });

  async function send(path: string, headers: readonly string[] = [], method = 'GET'): Promise<ProxyAnswer | undefined> {
    const answer = await proxyGet({ ...proxy.way, authority: registry.authority, path, headers, method }).catch(
      () => undefined,
    );
    // What the registry says to a client is its own affair; what has our name on it is ours.
    if (answer && !registry.requests.some((request) => request.path === path && request.status === answer.status)) {
      own.push(JSON.stringify(answer.rawHeaders), answer.body.toString('latin1'));
    }
    return answer;
  }

  /** Everything a secret could be in, sent along. */
  const LOADED = [
    ...['Cookie', `session=${canary('cookie')}`],
    ...['Private-Token', canary('private-token')],
    ...['X-JFrog-Art-Api', canary('api-key')],
    ...['Proxy-Authorization', `Basic ${Buffer.from(`me:${canary('proxy')}`).toString('base64')}`],
    ...['Referer', `https://x.test/?token=${canary('referer')}`],
    ...['X-Forwarded-For', canary('forwarded')],
    ...['User-Agent', canary('user-agent')],
  ];
  const QUERY = ['X-Amz-Signature', 'sig', 'token', 'access_token', 'se']
    .map((name) => `${name}=${canary(name)}`)
    .join('&');

  async function pull(): Promise<void> {
    for (const style of CLIENT_STYLES) {
      await pullImage({
        ...proxy.way,
        authority: registry.authority,
        repository: 'team/app',
        reference: 'v1',
        style,
        credential: { user: 'alice', password: canary('password') },
      });
    }
  }

  async function askOddly(digest: string): Promise<void> {
    const authorization = ['Authorization', `Bearer ${canary('bearer')}`];
    for (const what of [
      'manifests/v1',
      `manifests/${digest}`,
      `blobs/${digest}`,
      'tags/list',
      `blobs/${digest}?${QUERY}`,
    ]) {
      for (const method of ['GET', 'HEAD']) await send(`/v2/team/app/${what}`, [...authorization, ...LOADED], method);
    }
    await send(`/v2/?${QUERY}`, LOADED);
    await send(`/elsewhere/${'x'.repeat(6000)}?${QUERY}`, LOADED);
    await send('/v2/%1b[31m/%0d%0a/manifests/v1', LOADED);
    await send(`/v2/team/app/blobs/uploads/?digest=${digest}&${QUERY}`, LOADED, 'POST');
    await send('/v2/team/app/manifests/v1', [...authorization, 'Authorization', `Basic ${canary('second')}`]);
    await send('/v2/', ['Host', `${canary('host')}.test`]);
    await send('/v2/', ['Connection', 'authorization', ...authorization]);
    const upgrade = ['Connection', 'Upgrade', 'Upgrade', 'websocket', 'Sec-WebSocket-Key', canary('websocket')];
    await send(`/v2/socket?${QUERY}`, [...authorization, ...LOADED, ...upgrade]);
  }

  async function breakThings(digest: string): Promise<void> {
    const closed = '127.0.0.1:9';
    const locations = [
      `http://cdn.test/data?${QUERY}`,
      `https://${closed}/data?${QUERY}`,
      `https://me:${canary('userinfo')}@${closed}/data?${QUERY}`,
      `ftp://me:${canary('userinfo')}@x.test/?${QUERY}`,
      `https://[::1/?${QUERY}`,
      `https://10.255.255.255:99999/?${QUERY}`,
      `https://169.254.169.254/?${QUERY}`,
      `https://${registry.cdnAuthority}/loop/${digest}?${QUERY}`,
      `https://${registry.cdnAuthority}/nothing?${QUERY}`,
    ];
    registry.auth.mode = 'none';
    registry.auth.setAccess('team/app', 'public');
    for (const location of locations) {
      registry.delivery = { redirect: 307, location: () => location };
      const fresh = registry.content.addBlob('team/app', seededBytes(30_000, location));
      const headers = ['Authorization', `Bearer ${canary(location)}`, ...LOADED];
      await send(`/v2/team/app/blobs/${fresh.digest}`, headers);
    }
    registry.delivery = { redirect: 0 };
    const faults = [
      { status: 200, setHeaders: { 'Content-Length': canary('length') } },
      { hangUp: true },
      { corruptAt: 1 },
      { truncateAt: 10 },
      { status: 206, setHeaders: { 'Content-Range': canary('range') } },
      {
        status: 401,
        setHeaders: { 'WWW-Authenticate': `Bearer realm="https://a:${canary('realm')}@${closed}/t?${QUERY}"` },
      },
    ];
    for (const [i, how] of faults.entries()) {
      const fresh = registry.content.addImage('team/app', 'v1', { label: `fault ${i}` });
      const rule = registry.misbehave({ server: 'registry' }, how);
      for (const what of [`blobs/${fresh.config.digest}`, 'manifests/v1', `manifests/${fresh.digest}`]) {
        await send(`/v2/team/app/${what}`, ['Accept', '*/*', 'X-Key', canary(`fault ${i}`), ...LOADED]);
      }
      rule.remove();
    }
  }

  async function knockAtTheDoor(): Promise<void> {
    const place = proxy.place;
    for (const authority of [`me:${canary('connect')}@127.0.0.1:443`, 'a_.test:22', `127.0.0.1:1`]) {
      const connectLines = [
        `Proxy-Authorization: Basic ${canary('connect-auth')}`,
        `Cookie: ${canary('connect-cookie')}`,
      ];
      await openTunnel({ proxy: place, authority, connectLines }).then(
        (socket) => socket.destroy(),
        (error: unknown) => own.push(error instanceof ConnectRefused ? error.body : ''),
      );
    }
    for (const line of [
      `GET http://me:${canary('absolute')}@127.0.0.1:80/?${QUERY} HTTP/1.1`,
      `GET http://169.254.169.254/?${QUERY} HTTP/1.1`,
      `GET /setup/${canary('setup')}?${QUERY} HTTP/1.1`,
      `BREW /${canary('method')} HTTP/1.1`,
      `GET /x HTTP/9.9 ${canary('garbage')}`,
    ]) {
      own.push(
        await exchangeRaw(
          place,
          `${line}\r\nHost: x\r\nAuthorization: ${canary('plain')}\r\nConnection: close\r\n\r\n`,
        ),
      );
    }
    for (const path of [
      '/metrics',
      '/readyz',
      '/healthz',
      '/api/v1/stats',
      '/api/v1/blobs',
      `/api/v1/blobs/${canary('admin-path')}`,
    ]) {
      const headers = { Authorization: `Bearer ${canary('admin')}`, Cookie: canary('admin-cookie') };
      own.push(await (await fetch(`http://${admin}${path}`, { headers })).text());
    }
  }

  /** What was secret in this run, besides the canaries: tokens that were handed out, signatures, and how they travelled. */
  function secrets(): string[] {
    const found = new Set([CANARY, Buffer.from(CANARY).toString('base64').slice(0, 6)]);
    for (const { headers, path } of registry.requests) {
      const authorization = headerValue(headers, 'authorization');
      if (authorization !== undefined) found.add(authorization.replace(/^\w+ /, ''));
      const signature = /signature=([0-9a-f]+)/.exec(path)?.[1];
      if (signature !== undefined) found.add(signature);
    }
    for (const place of ['password', 'proxy']) found.add(Buffer.from(canary(place)).toString('base64').slice(4, 20));
    return [...found].filter((secret) => secret.length > 5);
  }

  async function written(): Promise<(readonly [string, Buffer])[]> {
    const entries = await readdir(folder.path, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    return Promise.all(files.map(async (file) => [file, await readFile(file)] as const));
  }

  it('puts no secret into log, index, facts, metrics, spool, admin answers or its own errors (F04, F05, F06, F08)', async () => {
    const image = registry.content.addImage('team/app', 'v1');
    const digest = image.layers[0]?.digest ?? '';
    await pull();
    await askOddly(digest);

    // The names of what is arriving are looked at while it arrives.
    const large = registry.content.addBlob('team/app', seededBytes(300_000, 'large'));
    registry.auth.mode = 'none';
    registry.auth.setAccess('team/app', 'public');
    const rule = registry.misbehave({ kind: 'data', method: 'GET' }, { stall: 200_000 });
    const path = `/v2/team/app/blobs/${large.digest}`;
    const arriving = await proxyOpen({ ...proxy.way, authority: registry.authority, path, headers: LOADED });
    await rule.stalled();
    const spooled = await written();
    assert.ok(
      spooled.some(([file]) => file.includes('/spool/')),
      'nothing was being spooled',
    );
    rule.release();
    assert.ok((await arriving.rest()).body.equals(large.bytes));

    await breakThings(digest);
    await knockAtTheDoor();
    const token = await readFile(join(folder.path, 'data', 'admin.token'), 'utf8').catch(() => '');
    const headers = { Authorization: `Bearer ${token.trim()}` };
    const ask = async (answer: string): Promise<string> =>
      (await fetch(`http://${admin}${answer}`, { headers })).text();
    const { paths } = JSON.parse(await ask('/api/v1/openapi.json')) as { paths: Record<string, { get?: object }> };
    const readable = Object.keys(paths).filter((name) => paths[name]?.get !== undefined);
    assert.ok(readable.includes('/api/v1/blobs'), readable.join(' '));
    for (const answer of ['/metrics', '/readyz', ...readable]) own.push(await ask(answer.replace('{digest}', digest)));
    const known = secrets();
    assert.ok(known.length > 20, `${known.length} secrets`);
    assert.equal(await proxy.end('SIGTERM'), 0);
    const log = proxy.output();

    // What was meant to go wrong went wrong, so that its words were written.
    const codes = new Set([...log.matchAll(/"code":"([a-z-]+)"/g)].map(([, code]) => code));
    for (const code of [
      'bad-authority',
      'bad-request',
      'denied',
      'digest-mismatch',
      'egress-refused',
      'misdirected',
      'upstream-connect',
      'upstream-redirect',
      'upstream-truncated',
    ]) {
      assert.ok(codes.has(code), `${code} is not among ${[...codes].join(', ')}`);
    }

    const places: (readonly [string, Buffer])[] = [
      ['the log', Buffer.from(log)],
      ['an answer of the proxy', Buffer.from(own.join('\n'))],
      ...spooled,
      ...(await written()),
    ];
    for (const [place, bytes] of places) {
      for (const secret of known) {
        const at = bytes.indexOf(secret);
        assert.equal(
          at,
          -1,
          `${secret} in ${place}: ${bytes.subarray(Math.max(0, at - 200), at + 40).toString('latin1')}`,
        );
        assert.equal(place.includes(secret), false, `${secret} in the name ${place}`);
      }
    }
    // Answers of token servers leave no trace at all, secret or not.
    assert.ok(registry.hits({ kind: 'token', status: 200 }) > 0);
    for (const [file, bytes] of await written()) {
      for (const word of ['access_token', 'expires_in', 'issued_at']) assert.equal(bytes.includes(word), false, file);
    }

    // Every line is one line, and no field runs on.
    const lines = log.split('\n').filter((line) => line.startsWith('{'));
    assert.ok(lines.length > 50, `${lines.length} lines`);
    for (const line of lines) {
      for (const value of Object.values(JSON.parse(line) as Record<string, unknown>)) {
        assert.ok(typeof value !== 'object', line);
        assert.ok(typeof value !== 'string' || Buffer.byteLength(value) <= 2048, line);
      }
    }
  });
});
