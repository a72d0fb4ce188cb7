import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadConfig } from '../../src/config/load.js';
import { readParentProxies } from '../../src/config/parent-proxies.js';
import { ConfigError } from '../../src/errors.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const NONE = { upstreamProxy: [], upstreamProxyAuth: undefined, upstreamNoProxy: [] };

describe('config/parent-proxies', () => {
  let folder: TempDir;
  before(async () => {
    folder = await createTempDir();
  });
  after(() => folder.remove());

  const env = {
    HTTPS_PROXY: 'http://bob:s%40crt@one.test:3128',
    http_proxy: 'https://two.test',
    NO_PROXY: 'localhost, .internal 10.0.0.0/8',
  };

  it('takes no notice of the environment unless it is asked to', () => {
    const { parents, problems } = readParentProxies({ ...NONE, upstreamNoProxy: ['a'] }, env);
    assert.deepEqual(parents, { https: [], http: [], noProxy: ['a'], credentials: new Map() });
    assert.deepEqual(problems, []);
  });

  it('takes proxies, password and exceptions of the environment for env', () => {
    const { parents, problems } = readParentProxies({ ...NONE, upstreamProxy: ['env', 'direct'] }, env);
    assert.deepEqual(problems, []);
    assert.deepEqual(parents.https, [{ scheme: 'http', host: 'one.test', port: 3128 }, 'direct']);
    assert.deepEqual(parents.http, [{ scheme: 'https', host: 'two.test', port: 443 }, 'direct']);
    assert.deepEqual(parents.noProxy, ['localhost', '.internal', '10.0.0.0/8']);
    assert.deepEqual([...parents.credentials], [['one.test:3128', `Basic ${btoa('bob:s@crt')}`]]);
  });

  it('goes straight where the environment names no proxy', () => {
    assert.deepEqual(readParentProxies({ ...NONE, upstreamProxy: ['env'] }, {}).parents.https, []);
  });

  it('names a variable that is of no use, and not what stands in it', () => {
    for (const text of ['socks5://u:hunter2@a:1080', 'http://u:hunter2@/']) {
      const { problems } = readParentProxies({ ...NONE, upstreamProxy: ['env'] }, { HTTPS_PROXY: text });
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', /^HTTPS_PROXY: it names no http or https proxy/);
      assert.doesNotMatch(problems[0] ?? '', /hunter2/);
    }
  });

  it('reads passwords from a file, and says which line is wrong without repeating it', async () => {
    const file = path.join(folder.path, 'parents');
    await writeFile(file, '# ours\n\nCache.Example:3128 bob:pass word\n[2001:db8::1]:80\tann:\nhunter2\n');
    const { parents, problems } = readParentProxies({ ...NONE, upstreamProxyAuth: file }, {});
    assert.deepEqual(
      [...parents.credentials],
      [
        ['cache.example:3128', `Basic ${btoa('bob:pass word')}`],
        ['[2001:db8::1]:80', `Basic ${btoa('ann:')}`],
      ],
    );
    assert.deepEqual(problems, [`${file}:5: a line is HOST:PORT USER:PASSWORD.`]);
    assert.match(readParentProxies({ ...NONE, upstreamProxyAuth: `${file}x` }, {}).problems[0] ?? '', /cannot be read/);
  });

  it('wants direct at the end', () => {
    const { problems } = readParentProxies({ ...NONE, upstreamProxy: ['direct', 'http://a:1'] }, {});
    assert.deepEqual(problems, ['--upstream-proxy: direct stands at the end, because it leads everywhere.']);
  });

  it('A14: refuses this proxy itself as its parent', () => {
    const load = (listen: string, parent: string) => () =>
      loadConfig({ flags: { listen, 'upstream-proxy': parent }, env: {}, cwd: '/' });
    for (const [listen, parent] of [
      ['127.0.0.1:3128', 'http://127.0.0.1:3128'],
      ['127.0.0.1:3128', 'http://localhost:3128'],
      ['[::]:3128', 'https://127.0.0.1:3128'],
      ['10.0.0.1:3128', 'http://10.0.0.1:3128'],
    ] as const) {
      assert.throws(
        load(listen, parent),
        (error) => error instanceof ConfigError && /its own parent/.test(error.message),
      );
    }
    assert.doesNotThrow(load('127.0.0.1:3128', 'http://127.0.0.1:3130'));
    assert.doesNotThrow(load('10.0.0.1:3128', 'http://127.0.0.1:3128'));
  });
});
