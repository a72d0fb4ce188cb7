import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { AuthorityReport } from '../../src/cli/authority-report.js';
import { caRotate } from '../../src/cli/ca-rotate.js';
import { ConfigError } from '../../src/errors.js';
import { openAuthority } from '../../src/tls/authority.js';
import { keyPath, nextPath } from '../../src/tls/authority-files.js';
import { pemBlocks } from '../../src/tls/pem.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createFakeIo } from './fake-io.js';

const DAY_MS = 86_400_000;

describe('cli/ca-rotate', () => {
  let dir: TempDir;
  let fingerprint: string;

  beforeEach(async () => {
    dir = await createTempDir();
    fingerprint = (await openAuthority(dir.path)).fingerprintSha256;
  });

  afterEach(() => dir.remove());

  async function rotate(own: Record<string, string | true> = {}, json = false): Promise<string> {
    const io = createFakeIo();
    assert.equal(await caRotate.run({ flags: { 'ca-dir': dir.path }, json, own }, io), 0);
    return io.written.out;
  }

  async function rotateJson(own: Record<string, string | true> = {}): Promise<AuthorityReport> {
    return JSON.parse(await rotate(own, true)) as AuthorityReport;
  }

  async function refused(own: Record<string, string | true>, sentence: RegExp): Promise<void> {
    await assert.rejects(rotate(own), (error) => error instanceof ConfigError && sentence.test(error.message));
  }

  it('B21: begins a rotation that switches in 14 days, and says what to do', async () => {
    const before = Date.now();
    const text = await rotate();
    assert.match(
      text,
      /^The rotation has begun\. The new CA signs from .*Z on; until then, let all clients trust it:\n/,
    );
    assert.match(text, /\nthe coming CA:\n/);
    const [, signsFrom = ''] = /signsFrom +(\S+)/.exec(text) ?? [];
    const delay = Date.parse(signsFrom) - before;
    assert.ok(delay >= 14 * DAY_MS && delay < 15 * DAY_MS);
  });

  it('takes the time or the delay', async () => {
    const year = new Date().getUTCFullYear() + 1;
    assert.equal(
      (await rotateJson({ 'switch-at': `${year}-12-01T00:00:00Z` })).next?.signsFrom,
      `${year}-12-01T00:00:00.000Z`,
    );
    await rotate({ cancel: true });
    assert.equal(
      (await rotateJson({ 'switch-at': `${year}-12-01T02:00+02:00` })).next?.signsFrom,
      `${year}-12-01T00:00:00.000Z`,
    );
    await rotate({ cancel: true });
    const signsFrom = Date.parse((await rotateJson({ in: '3d' })).next?.signsFrom ?? '');
    assert.ok(Math.abs(signsFrom - Date.now() - 3 * DAY_MS) < DAY_MS);
  });

  it('B21: finishes, and may be asked to again', async () => {
    const fresh = (await rotateJson({ in: '0' })).next?.fingerprintSha256;
    assert.match(await rotate({ finish: true }), /^The rotation is finished: the old key is gone/);
    const after = await rotateJson({ finish: true });
    assert.equal(after.fingerprintSha256, fresh);
    assert.equal(after.next, undefined);
    assert.match(await rotate({ finish: true }), /^There is no rotation to finish; nothing was changed\./);
  });

  it('cancels, and may be asked to again', async () => {
    await rotate();
    assert.match(await rotate({ cancel: true }), /^The rotation is cancelled/);
    assert.equal((await rotateJson({ cancel: true })).fingerprintSha256, fingerprint);
    assert.match(await rotate({ cancel: true }), /^There is no rotation to cancel; nothing was changed\./);
  });

  it('refuses what makes no sense in one sentence, and changes nothing', async () => {
    await refused({ finish: true, cancel: true }, /^--finish and --cancel exclude each other\.$/);
    await refused({ in: '14' }, /^--in: "14" is not a duration/);
    await refused({ 'switch-at': 'soon' }, /^--switch-at: "soon" is not a time; write 2026-12-01T00:00:00Z\.$/);
    await refused({ 'switch-at': '2026-13-01' }, /is not a time/);
    await refused({ 'switch-at': '2020-01-01' }, /^--switch-at: 2020-01-01 has passed; --in 0 switches at once\.$/);
    assert.match(await rotate({ cancel: true }), /no rotation to cancel/);
    await rotate();
    await refused({ in: '1d' }, /^a rotation is under way already/);
    await refused({ finish: true }, /^the new CA signs only from/);
  });

  it('B07: prints no key, whatever it is asked', async () => {
    const outputs = [await rotate({ in: '0' }), await rotate({ finish: true })];
    outputs.push(await rotate({ in: '0' }, true));
    const files = await Promise.all([keyPath(dir.path), nextPath(dir.path)].map((path) => readFile(path, 'utf8')));
    const lines = files.flatMap((file) => (pemBlocks(file)[0]?.text ?? '').split('\n').slice(1, -2));
    assert.ok(lines.length >= 4);
    for (const line of lines) assert.ok(outputs.every((output) => !output.includes(line)));
  });
});
