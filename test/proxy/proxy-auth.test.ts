import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ProxyError } from '../../src/errors.js';
import type { PasswordCheck } from '../../src/proxy/password-check.js';
import { openProxyAuth, type ProxyAuth } from '../../src/proxy/proxy-auth.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

const TAIL = 'N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhW';
const ADA = `$2b$04$${TAIL}a`;
const BOB = `$2b$04$${TAIL}b`;
const CLIENT = '10.0.0.1';

function basic(credentials: string): string[] {
  return ['Proxy-Authorization', `Basic ${Buffer.from(credentials).toString('base64')}`];
}

describe('proxy/proxy-auth', () => {
  let folder: TempDir;
  let file = '';
  let now = 0;
  let auth: ProxyAuth;
  /** What was compared, and what to answer: `secret` fits any hash. */
  let compared: string[] = [];
  let hold: Promise<void> | undefined;
  const passwords: PasswordCheck = {
    compare: async (password, hash) => {
      compared.push(hash);
      await hold;
      return password === 'secret';
    },
    close: async () => undefined,
  };
  beforeEach(async () => {
    folder = await createTempDir();
    file = path.join(folder.path, 'users');
    await writeFile(file, `ada:${ADA}\nbob:${BOB}\n`);
    now = 0;
    compared = [];
    hold = undefined;
    auth = await openProxyAuth({ file, onFault: () => assert.fail('fault'), passwords, now: () => now });
  });
  afterEach(async () => {
    await auth.close();
    await folder.remove();
  });
  const refused = async (headers: string[], code = 'proxy-auth') => {
    await assert.rejects(auth.check(headers, CLIENT), (error) => {
      assert.ok(error instanceof ProxyError && error.code === code, String(error));
      assert.doesNotMatch(error.message, /ada|secret|wrong-one/);
      return true;
    });
  };

  it('gives the name of the user whose password it is', async () => {
    assert.equal(await auth.check(basic('ada:secret'), CLIENT), 'ada');
    assert.equal(await auth.check(['proxy-authorization', 'bASIC  YWRhOnNlY3JldA=='], CLIENT), 'ada');
  });

  it('refuses what is no credentials, without comparing anything', async () => {
    for (const value of ['', 'Basic', 'Basic !!!', 'Bearer abc', 'Basic YWRh', `Basic ${'A'.repeat(4_000)}`]) {
      await refused(['Proxy-Authorization', value]);
    }
    await refused([]);
    await refused(basic(':secret'));
    assert.deepEqual(compared, []);
  });

  it('does the same work for every refusal, where the costs of users differ', async () => {
    await writeFile(file, `ada:${ADA}\nbob:${BOB.replace('$04$', '$07$')}\n`);
    now += 1_000;
    const works: number[] = [];
    for (const user of ['ada', 'bob', 'nobody']) {
      compared = [];
      await refused(basic(`${user}:wrong-one`));
      works.push(compared.reduce((sum, hash) => sum + 2 ** Number(hash.slice(4, 6)), 0));
    }
    assert.deepEqual(works, [128, 128, 128]);
    compared = [];
    assert.equal(await auth.check(basic('ada:secret'), CLIENT), 'ada');
    assert.deepEqual(compared, [ADA]);
  });

  it('refuses two Proxy-Authorization lines', async () => {
    await refused([...basic('ada:secret'), ...basic('bob:secret')], 'bad-request');
  });

  it('does the same work for a user that there is none of', async () => {
    await refused(basic('ada:wrong-one'));
    await refused(basic('nobody:wrong-one'));
    await refused(basic('nobody:secret'));
    assert.equal(compared.length, 3);
    assert.ok(compared.every((hash) => hash.startsWith('$2b$04$')));
  });

  it('remembers a success for five minutes, and no failure', async () => {
    await auth.check(basic('ada:secret'), CLIENT);
    now += 5 * 60_000 - 1;
    await auth.check(basic('ada:secret'), CLIENT);
    assert.equal(compared.length, 1);
    now += 1;
    await auth.check(basic('ada:secret'), CLIENT);
    assert.equal(compared.length, 2);
    await refused(basic('ada:wrong-one'));
    await refused(basic('ada:wrong-one'));
    await auth.check(basic('bob:secret'), CLIENT);
    assert.equal(compared.length, 5);
  });

  it('forgets a user whose password was changed or who was taken out', async () => {
    await auth.check(basic('ada:secret'), CLIENT);
    await writeFile(file, `ada:${BOB}\n`);
    now += 1_000;
    await auth.check(basic('ada:secret'), CLIENT);
    assert.deepEqual(compared, [ADA, BOB]);
    await writeFile(file, `bob:${BOB} \n`);
    now += 1_000;
    await refused(basic('ada:secret'));
  });

  it('compares once for all who ask for the same at once, and lets a client wait for a few only', async () => {
    let go = () => undefined as void;
    hold = new Promise<void>((resolve) => {
      go = resolve;
    });
    const same = Array.from({ length: 50 }, () => auth.check(basic('ada:secret'), CLIENT));
    const others = Array.from({ length: 20 }, (_, n) =>
      auth.check(basic(`ada:wrong-one-${n}`), CLIENT).then(
        () => 'in',
        (error: ProxyError) => error.code,
      ),
    );
    const elsewhere = auth.check(basic('bob:secret'), '10.0.0.2');
    await new Promise((resolve) => setImmediate(resolve));
    go();
    assert.deepEqual(new Set(await Promise.all(same)), new Set(['ada']));
    const codes = await Promise.all(others);
    assert.equal(codes.filter((code) => code === 'proxy-auth').length, 7);
    assert.equal(codes.filter((code) => code === 'overloaded').length, 13);
    assert.equal(await elsewhere, 'bob');
    assert.equal(compared.length, 9);
  });
});
