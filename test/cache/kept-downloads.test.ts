import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { createFlights, type Flight, type Flights } from '../../src/cache/flight.js';
import { type Cache, openCache } from '../../src/cache/open-cache.js';
import { ResumeFault } from '../../src/cache/resume-fault.js';
import { ProxyError } from '../../src/errors.js';
import { sampleBytes, sha256Of } from '../support/fake-fill.js';
import { createGate, drain, until } from '../support/flight-harness.js';
import { type ScriptedAnswer, type ScriptedUpstream, scriptUpstream } from '../support/scripted-upstream.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * Downloads that break off for good and are gone on with by the next request, over the real store.
 */

const MIB = 1024 * 1024;
const SIZE = 5 * MIB + 777;
const CUT = 3 * MIB + 99;
/** What is kept of it: whole steps of writing. */
const KEPT = 3 * MIB;

const LOST: ScriptedAnswer = { untilBytes: CUT };
const OVER: ScriptedAnswer = { refusal: new ResumeFault('no', { isRefusal: true }) };

describe('cache: downloads that are gone on with', () => {
  const body = sampleBytes(SIZE);
  const digest = sha256Of(body);
  let folder: TempDir;
  let cache: Cache;
  let flights: Flights;

  beforeEach(async () => {
    folder = await createTempDir();
    await open();
  });
  afterEach(async () => {
    await close();
    await folder.remove();
  });

  async function open(): Promise<void> {
    cache = await openCache({
      directory: folder.path,
      events: { fault: () => {}, quarantined: () => {}, rebuilt: () => {} },
    });
    flights = createFlights({ store: cache.store, limits: { resumeDelayMs: 1, lingerMs: 40 } });
  }

  async function close(): Promise<void> {
    await flights.close();
    await cache.close();
  }

  function start(script: readonly ScriptedAnswer[], scope = 'here'): { flight: Flight; upstream: ScriptedUpstream } {
    const upstream = scriptUpstream(body, script);
    const { open: opener, resume } = upstream;
    const key = `${scope} ${digest}`;
    const request = { key, digest, mediaType: undefined, open: opener, resume, onVerified: async () => {} };
    return { flight: flights.join(request).flight, upstream };
  }

  /** A download of which something is kept. */
  async function lose(script: readonly ScriptedAnswer[] = [LOST, OVER], scope?: string): Promise<void> {
    const { flight } = start(script, scope);
    await assert.rejects(drain(flight.reader()), { code: 'upstream-truncated' });
    assert.equal((await flight.done).kind, 'failed');
  }

  async function assertWhole({ flight, upstream }: ReturnType<typeof start>, asked: readonly number[]): Promise<void> {
    const [one, two] = await Promise.all([
      drain(flight.reader()),
      drain(flight.reader(), { from: MIB, maxBytes: 50_000 }),
    ]);
    assert.ok(one?.equals(body) && two?.equals(body.subarray(MIB)));
    assert.deepEqual(upstream.asked, asked);
    assert.equal((await flight.done).kind, 'stored');
    const stored = await cache.store.readAll(digest, SIZE);
    assert.ok(stored?.equals(body));
    assert.deepEqual(await names(), []);
  }

  function names(): Promise<string[]> {
    return fs.readdir(path.join(folder.path, 'spool'));
  }

  it('H16 goes on at once, although the file of the lost one is still being closed', async () => {
    await lose();
    await assertWhole(start([]), [KEPT]);
  });

  it('goes on after a restart', async () => {
    await lose();
    await close();
    await open();
    await assertWhole(start([]), [KEPT]);
  });

  it('keeps what was there when it is closed', async () => {
    const never = createGate();
    const { flight } = start([LOST, { before: () => never.opened }]);
    assert.equal((await drain(flight.reader(), { endOffset: CUT })).length, CUT);
    await close();
    never.open();
    await open();
    await assertWhole(start([]), [KEPT]);
  });

  it('goes on and breaks off as often as it has to', async () => {
    await lose();
    const { flight, upstream } = start([{ untilBytes: 4 * MIB + 5 }, OVER]);
    await assert.rejects(drain(flight.reader()), { code: 'upstream-truncated' });
    assert.deepEqual(upstream.asked, [KEPT, 4 * MIB + 5]);
    await assertWhole(start([]), [4 * MIB]);
  });

  it('E04 gives nothing to another repository', async () => {
    await lose([LOST, OVER], 'there');
    const { flight, upstream } = start([]);
    assert.ok((await drain(flight.reader())).equals(body));
    assert.deepEqual(upstream.asked, [0]);
    await flight.done;
    assert.equal((await names()).length, 2, 'the other one keeps its own');
  });

  it('begins anew where the upstream gives the whole', async () => {
    await lose();
    await assertWhole(start([{ ignoresRange: true }]), [KEPT]);
  });

  it('begins anew where the upstream speaks of another length', async () => {
    await lose();
    await assertWhole(start([{ sizeBytes: SIZE + 1 }]), [KEPT, 0]);
  });

  it('stays for the next client where one is refused, or the upstream cannot be asked', async () => {
    await lose();
    for (const refusal of [new Error('403'), new ProxyError('upstream-connect', 'x')]) {
      const { flight, upstream } = start([{ refusal }]);
      await assert.rejects(flight.head, refusal);
      assert.deepEqual(upstream.asked, [KEPT]);
      await flight.done;
    }
    await assertWhole(start([]), [KEPT]);
  });

  it('I03 asks again for what is damaged', async () => {
    await lose();
    await until(() => flights.size === 0);
    const [file] = (await names()).filter((name) => !name.endsWith('.kept'));
    const handle = await fs.open(path.join(folder.path, 'spool', file ?? ''), 'r+');
    await handle.write(Buffer.from('x'), 0, 1, 2 * MIB + 5);
    await handle.close();
    await assertWhole(start([]), [KEPT, 2 * MIB]);
  });

  it('G01 is never used again where the whole has another digest', async () => {
    const other = { content: sampleBytes(SIZE, 9) };
    await lose([{ ...LOST, ...other }, OVER]);
    const second = start([]);
    await assert.rejects(drain(second.flight.reader()), { code: 'digest-mismatch' });
    assert.deepEqual(second.upstream.asked, [KEPT]);
    await assertWhole(start([]), [0]);
  });

  it('asks for no more than the last bytes', async () => {
    await lose([{ untilBytes: 5 * MIB }, OVER]);
    await assertWhole(start([]), [5 * MIB]);
  });
});
