import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import { parseHtpasswd } from '../../src/proxy/htpasswd.js';

const BODY = 'N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';

function problemsOf(text: string): readonly string[] {
  try {
    parseHtpasswd(text, 'users');
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('proxy/htpasswd', () => {
  it('reads users and hashes, past comments and empty lines', () => {
    const list = parseHtpasswd(`# team\n\nada:$2y$05$${BODY}\r\nb o b:$2b$10$${BODY}\n`, 'users');
    assert.equal(list.hashOf('ada'), `$2y$05$${BODY}`);
    assert.equal(list.hashOf('b o b'), `$2b$10$${BODY}`);
    assert.equal(list.hashOf('ADA'), undefined);
    assert.equal(list.hashOf('constructor'), undefined);
  });

  it('has a decoy of the highest cost of the users', () => {
    assert.match(parseHtpasswd(`ada:$2y$12$${BODY}`, 'users').decoy, /^\$2b\$12\$.{53}$/);
    const mixed = `ada:$2y$05$${BODY}\nbob:$2y$11$${BODY}\ncyd:$2y$08$${BODY}`;
    assert.match(parseHtpasswd(mixed, 'users').decoy, /^\$2b\$11\$/);
  });

  it('pads each comparison up to the work of the highest cost', () => {
    const list = parseHtpasswd(`ada:$2y$05$${BODY}\nbob:$2y$11$${BODY}\ncyd:$2y$08$${BODY}`, 'users');
    const workOf = (hash: string) => 2 ** Number(hash.slice(4, 6));
    for (const hash of [...['ada', 'bob', 'cyd'].map((user) => list.hashOf(user) ?? ''), list.decoy]) {
      const work = [hash, ...list.paddingFor(hash)].map(workOf);
      assert.equal(
        work.reduce((sum, one) => sum + one, 0),
        2 ** 11,
        hash,
      );
    }
  });

  it('names every line that is wrong, and no hash', () => {
    const lines = [
      'ada',
      `:$2y$05$${BODY}`,
      'apr:$apr1$abc$secretsecret',
      'sha:{SHA}secretsecret',
      'plain:secretsecret',
      `cheap:$2y$03$${BODY}`,
      `dear:$2y$16$${BODY}`,
      `ok:$2a$04$${BODY}`,
      `ok:$2a$04$${BODY}`,
      `bell\u0007:$2a$04$${BODY}`,
    ];
    const problems = problemsOf(lines.join('\n'));
    assert.deepEqual(
      problems.map((sentence) => sentence.split(': ', 1)[0]),
      ['users:1', 'users:2', 'users:3', 'users:4', 'users:5', 'users:6', 'users:7', 'users:9', 'users:10'],
    );
    assert.doesNotMatch(problems.join(), /secret|N9qo/);
    assert.match(problems[2] ?? '', /apr is not hashed with bcrypt .*htpasswd -B/);
  });

  it('refuses a file without users, which would let nobody in', () => {
    assert.deepEqual(problemsOf('# nobody\n'), ['users: it names no user.']);
  });
});
