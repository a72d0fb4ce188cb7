import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StoreEvents } from '../../src/cache/contract.js';
import { inspectCrashed } from '../support/crashed-folder.js';
import { digestOfBytes } from '../support/memory-store.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { losePower, powerLosses, readTrace, type TracedCall, traceCalls } from './traced-calls.js';

/*
 * A store as a loss of power leaves it, at every system call of a commit, an eviction, a write to the index with its log of
 * facts, and a clean stop: recorded by strace from a real process with SQLite in it, and played back up to each call,
 * with what was not synced kept, halved or lost. Each folder is started and looked through.
 */

const HELD = Buffer.alloc(300_000, 'held');
const COMING = Buffer.alloc(400_000, 'coming');
const EVENTS: StoreEvents = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };
const SCRIPT = fileURLToPath(new URL('traced-store.ts', import.meta.url));

type Deed = 'commit' | 'eviction' | 'facts' | 'close';

describe('e2e: a loss of power at any system call', function () {
  this.timeout(300_000);
  let temp: TempDir;
  beforeEach(async () => {
    temp = await createTempDir();
  });
  afterEach(() => temp.remove());

  async function record(deed: Deed): Promise<{ readonly calls: TracedCall[]; readonly before: string }> {
    const [directory, before] = [path.join(temp.path, 'data'), path.join(temp.path, 'before')];
    const child = spawn(process.execPath, ['--import=tsx', SCRIPT, directory, deed], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const gone = once(child, 'exit');
    const says = async (word: string): Promise<void> => {
      const ended = gone.then(() => assert.fail(`the store ended before it was ${word}`));
      const [chunk] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
      assert.equal(String(chunk), `${word}\n`);
    };
    try {
      await says('ready');
      await fs.cp(directory, before, { recursive: true });
      const trace = await traceCalls(child.pid as number, path.join(temp.path, 'trace'), async () => {
        child.stdin.write('go\n');
        await says('done');
      });
      return { calls: readTrace(trace, directory), before };
    } finally {
      child.kill('SIGKILL');
      await gone;
    }
  }

  /** What a folder looks like: many losses lead to the same one. */
  async function fingerprint(directory: string): Promise<string> {
    const hash = createHash('sha256');
    const entries = await fs.readdir(directory, { recursive: true, withFileTypes: true });
    const files = entries.filter((one) => one.isFile()).map(({ parentPath, name }) => path.join(parentPath, name));
    for (const file of files.sort()) hash.update(file).update(await fs.readFile(file));
    return hash.digest('hex');
  }

  for (const deed of ['commit', 'eviction', 'facts', 'close'] as const) {
    it(`I02 I03 I11: leaves a sound store in the middle of: ${deed}`, async () => {
      const { calls, before } = await record(deed);
      assert.ok(
        calls.some((call) => call.kind === 'write' && call.file.startsWith('index.')),
        'nothing was written to the index',
      );
      // What is evicted may come back with the power; nobody's right to it does.
      assert.equal(
        calls.some(({ kind }) => kind === 'sync'),
        deed !== 'eviction',
      );
      const seen = new Set<string>();
      for (const loss of powerLosses(calls)) {
        const directory = path.join(temp.path, 'state');
        await fs.rm(directory, { recursive: true, force: true });
        await fs.cp(before, directory, { recursive: true });
        // Shared memory, which no power loss leaves.
        await fs.rm(path.join(directory, 'index.v1.sqlite-shm'), { force: true });
        await losePower(directory, calls, loss);
        const isDone = loss.calls === calls.length;
        const looks = `${isDone} ${await fingerprint(directory)}`;
        if (seen.has(looks)) continue;
        seen.add(looks);
        const lock = path.join(directory, 'lock');
        await fs.access(lock).then(
          () => fs.writeFile(lock, 'left by a crash'),
          () => {},
        );
        try {
          const present = await inspectCrashed(directory, [HELD, COMING], EVENTS, async ({ facts }) => {
            assert.deepEqual(await facts.get('link', 'before'), { at: 1 });
            const [during, goneFact] = [await facts.get('link', 'during'), await facts.get('public', 'gone')];
            if (during !== undefined) assert.deepEqual(during, { at: 2 });
            if (goneFact !== undefined) assert.deepEqual(goneFact, { at: 3 });
            if (isDone && deed === 'facts') assert.deepEqual([during, goneFact], [{ at: 2 }, undefined]);
            if (isDone && deed === 'close') assert.deepEqual(during, { at: 2 });
          });
          if (deed !== 'eviction') assert.ok(present.has(digestOfBytes(HELD)), 'what was held is lost');
          if (deed === 'commit' && isDone) assert.ok(present.has(digestOfBytes(COMING)), 'what was committed is lost');
        } catch (error) {
          const last = calls.slice(Math.max(0, loss.calls - 6), loss.calls).map(describeCall);
          throw new Error(`${JSON.stringify(loss)} after ${last.join(', ')}: ${(error as Error).message}`, {
            cause: error,
          });
        }
      }
      assert.ok(seen.size >= calls.length / 2, `${seen.size} states of ${calls.length} calls`);
    });
  }
});

function describeCall(call: TracedCall): string {
  return `${call.kind} ${call.kind === 'rename' ? call.to : call.file}`;
}
