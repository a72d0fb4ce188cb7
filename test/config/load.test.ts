import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type ConfigSource, configProblems, loadConfig, loadSettings } from '../../src/config/load.js';
import { OPTION_NAMES } from '../../src/config/option-table.js';
import { ConfigError } from '../../src/errors.js';

const NOTHING: ConfigSource = { flags: {}, env: { HOME: '/home/u' }, cwd: '/work' };

function problemsOf(source: ConfigSource): readonly string[] {
  try {
    loadConfig(source);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('config/load', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'entrepot-load-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function file(text: string): string {
    const name = path.join(folder, 'c.yaml');
    writeFileSync(name, text);
    return name;
  }

  it('has the defaults of the contract', () => {
    const { caDir, allowClients, ...rest } = loadConfig(NOTHING);
    assert.equal(path.basename(caDir), 'ca');
    assert.ok(allowClients.includes('100.64.0.0/10') && allowClients.includes('127.0.0.0/8'));
    assert.deepEqual(rest, {
      listen: { host: '127.0.0.1', port: 3128 },
      adminListen: { host: '127.0.0.1', port: 3129 },
      dataDir: '/home/u/.local/state/entrepot',
      caNameConstraints: [],
      intercept: ['auto'],
      tunnel: [],
      deny: [],
      connectPorts: [443],
      allowClientsByDefault: true,
      proxyAuth: undefined,
      maxClientConnections: 256,
      maxConnections: 4096,
      adminHosts: [],
      adminToken: undefined,
      egressAllow: [],
      egressDeny: [],
      upstreamCa: [],
      upstreamProxy: [],
      upstreamProxyAuth: undefined,
      upstreamNoProxy: [],
      parentProxies: { https: [], http: [], noProxy: [], credentials: new Map() },
      resolve: [],
      upstreamConnections: 256,
      upstreamBytesPerSecond: 0,
      upstreamTimeouts: {
        connectMs: 5000,
        tlsMs: 5000,
        headMs: 30_000,
        idleMs: 60_000,
        minBytesPerSecond: 1024,
      },
      registries: [],
      access: 'check',
      outage: 'serve',
      offline: false,
      tagTtlMs: 0,
      grantTtlMs: 60_000,
      publicTtlMs: 3_600_000,
      linkMaxAgeMs: 2_592_000_000,
      maxSize: { share: 0.8 },
      minFree: { share: 0.05 },
      maxAgeMs: undefined,
      pins: [],
      scrubRoundMs: 2_592_000_000,
      drainMs: 30_000,
      logLevel: 'info',
      logFormat: 'json',
    });
  });

  it('takes the admin token from the environment, and nowhere shows it', () => {
    const token = 'a-token-of-some-length';
    const { config, settings } = loadSettings({ ...NOTHING, env: { ...NOTHING.env, ENTREPOT_ADMIN_TOKEN: token } });
    assert.equal(config.adminToken, token);
    assert.doesNotMatch(JSON.stringify(settings), /a-token/);
    for (const bad of ['short', 'with a space in the middle', 'x'.repeat(513)]) {
      const problems = problemsOf({ ...NOTHING, env: { ENTREPOT_ADMIN_TOKEN: bad } });
      assert.match(problems.join(), /^ENTREPOT_ADMIN_TOKEN: a token has 16 to 512 /);
      assert.ok(!problems.join().includes(bad));
    }
  });

  it('knows whether anybody has said who may use the proxy', () => {
    const said = loadConfig({ ...NOTHING, flags: { 'allow-clients': '10.0.0.0/8' } });
    assert.equal(said.allowClientsByDefault, false);
  });

  it('finds the htpasswd file from the working folder', () => {
    assert.equal(loadConfig({ ...NOTHING, flags: { 'proxy-auth': 'users' } }).proxyAuth, '/work/users');
  });

  it('writes pretty logs on a terminal only', () => {
    assert.equal(loadConfig({ ...NOTHING, isTerminal: true }).logFormat, 'pretty');
    assert.equal(loadConfig({ ...NOTHING, isTerminal: true, flags: { 'log-format': 'json' } }).logFormat, 'json');
  });

  it('lets flags win over the environment, that over the file, that over defaults', () => {
    const config = file('grantTtl: 1s\npublicTtl: 1s\ndrain: 1s\n');
    const { settings } = loadSettings({
      flags: { config, 'grant-ttl': '3s' },
      env: { ENTREPOT_GRANT_TTL: '2s', ENTREPOT_PUBLIC_TTL: '2s' },
      cwd: '/work',
    });
    const byName = new Map(settings.map((setting) => [setting.name, setting]));
    assert.deepEqual(byName.get('grant-ttl'), { name: 'grant-ttl', value: '3s', origin: '--grant-ttl' });
    assert.deepEqual(byName.get('public-ttl'), { name: 'public-ttl', value: '2s', origin: 'ENTREPOT_PUBLIC_TTL' });
    assert.deepEqual(byName.get('drain'), { name: 'drain', value: '1s', origin: `${config}:3` });
    assert.deepEqual(byName.get('link-max-age'), { name: 'link-max-age', value: '30d', origin: 'default' });
    assert.deepEqual([...byName.keys()], OPTION_NAMES);
  });

  it('replaces a list by the list of a stronger source', () => {
    const config = file('deny: [a.example]\nconnectPorts: 5000\n');
    const loaded = loadConfig({ ...NOTHING, flags: { config, deny: 'b.example' } });
    assert.deepEqual(loaded.deny, ['b.example']);
    assert.deepEqual(loaded.connectPorts, [5000]);
  });

  it('finds the file by environment too, from the working folder', () => {
    file('drain: 7s\n');
    const env = { ENTREPOT_CONFIG: 'c.yaml' };
    assert.equal(loadConfig({ flags: {}, env, cwd: folder }).drainMs, 7000);
  });

  it('reports all problems of all sources at once, each with its origin', () => {
    const config = file('lisen: a:1\ngrantTtl: 5x\n');
    const problems = problemsOf({
      flags: { config, deny: 'a b' },
      env: { ENTREPOT_DRIAN: '1s', ENTREPOT_ACCESS: 'no' },
      cwd: '/work',
    });
    assert.equal(problems.length, 5);
    assert.equal(problems[0], `${config}:1: lisen is no option. Did you mean listen?`);
    assert.equal(problems[1], 'ENTREPOT_DRIAN is no variable of entrepot. Did you mean ENTREPOT_DRAIN?');
    assert.match(problems[2] ?? '', /^--deny: "a b" is not a host pattern/);
    assert.match(problems[3] ?? '', /^ENTREPOT_ACCESS: "no" is none of check, open/);
    assert.equal(problems[4]?.startsWith(`${config}:2: "5x" is not a duration`), true);
  });

  it('reports an unreadable file', () => {
    assert.match(
      problemsOf({ ...NOTHING, flags: { config: 'absent.yaml' } }).join(),
      /\/work\/absent\.yaml cannot be read/,
    );
    assert.deepEqual(problemsOf({ ...NOTHING, flags: { config: ['a', 'b'] } }), ['--config is given 2 times.']);
  });

  it('refuses one address for both listeners, unless the system picks the ports', () => {
    const same = { listen: '127.0.0.1:5', 'admin-listen': '127.0.0.1:5' };
    assert.match(problemsOf({ ...NOTHING, flags: same }).join(), /name the same address/);
    const any = { listen: '127.0.0.1:0', 'admin-listen': '127.0.0.1:0' };
    assert.deepEqual(problemsOf({ ...NOTHING, flags: any }), []);
  });

  it('gives all problems as a list, too', () => {
    const source = { env: { HOME: '/home/u' }, cwd: '/work' };
    assert.deepEqual(configProblems({ ...source, flags: {} }), []);
    assert.equal(configProblems({ ...source, flags: { drain: 'x', access: 'y' } }).length, 2);
  });
});
