import assert from 'node:assert/strict';
import { hashSync } from 'bcryptjs';
import { createPasswordCheck, type PasswordCheck } from '../../src/proxy/password-check.js';

describe('proxy/password-check', () => {
  let check: PasswordCheck;
  beforeEach(() => {
    check = createPasswordCheck();
  });
  afterEach(() => check.close());

  it('answers each comparison, on another thread', async () => {
    const [yes, no] = [hashSync('yes', 4), hashSync('no', 4)];
    const answers = await Promise.all([
      check.compare('yes', yes),
      check.compare('yes', no),
      check.compare('no', no),
      check.compare('', ''),
    ]);
    assert.deepEqual(answers, [true, false, true, false]);
  });

  it('knows the three names that bcrypt goes by', async () => {
    const hash = hashSync('pässword', 4);
    for (const kind of ['$2a$', '$2b$', '$2y$']) {
      assert.equal(await check.compare('pässword', hash.replace('$2b$', kind)), true, kind);
      assert.equal(await check.compare('password', hash.replace('$2b$', kind)), false, kind);
    }
  });

  it('leaves the event loop free while it compares', async () => {
    const hash = hashSync('secret', 10);
    let turns = 0;
    let over = false;
    const count = () => {
      turns += 1;
      if (!over) setImmediate(count);
    };
    count();
    const fits = await check.compare('secret', hash).finally(() => {
      over = true;
    });
    assert.equal(fits, true);
    assert.ok(turns > 3, `${turns} turns`);
  });

  it('rejects what is open when its thread ends, and starts another', async () => {
    const hash = hashSync('secret', 4);
    assert.equal(await check.compare('secret', hash), true);
    const open = check.compare('secret', hashSync('x', 11));
    const rejected = assert.rejects(open, { code: 'internal' });
    await check.close();
    await rejected;
    assert.equal(await check.compare('secret', hash), true);
  });
});
