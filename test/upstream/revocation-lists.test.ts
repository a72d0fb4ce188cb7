import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError } from '../../src/errors.js';
import { openRevocationLists } from '../../src/upstream/revocation-lists.js';
import { makeCertificate, makeRevocationList } from '../support/made-certificate.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

describe('upstream/revocation-lists', () => {
  const root = makeCertificate({ subject: 'root', authority: {} });
  const leaf = makeCertificate({ subject: 'leaf', issuer: root });
  let folder: TempDir;
  let file: string;
  beforeEach(async () => {
    folder = await createTempDir();
    file = join(folder.path, 'lists.pem');
  });
  afterEach(() => folder.remove());

  it('C07: gives every list of the file', async () => {
    const lists = [makeRevocationList(root, []), makeRevocationList(leaf, [leaf])].map((pem) => pem.trim());
    await writeFile(file, `# of the house\n${lists.join('\n\n')}\n`);
    assert.deepEqual((await openRevocationLists({ file, named: 'it' })).current(), lists);
  });

  for (const [what, text, problem] of [
    ['a file that is not there', undefined, /^c\.yaml:2: .* cannot be read: ENOENT/],
    ['a file without a list', root.pem, /holds no list of revoked certificates/],
    ['what is no list', '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n', /that cannot be read$/],
  ] as const) {
    it(`C07: refuses ${what}`, async () => {
      if (text !== undefined) await writeFile(file, text);
      await assert.rejects(openRevocationLists({ file, named: `c.yaml:2: ${file}` }), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, problem);
        return true;
      });
    });
  }

  it('C07: reads the file again when it has changed, and goes on with the last lists where it is useless', async () => {
    let now = 0;
    await writeFile(file, makeRevocationList(root, []));
    const lists = await openRevocationLists({ file, named: 'it', now: () => now });
    const first = lists.current();
    const next = makeRevocationList(root, [leaf]).trim();
    await writeFile(file, next);
    assert.equal(lists.current(), first);
    while (lists.current() === first) {
      now += 60_000;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(lists.current(), [next]);
    await writeFile(file, 'nothing');
    for (let i = 0; i < 20; i += 1) {
      now += 60_000;
      assert.deepEqual(lists.current(), [next]);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
