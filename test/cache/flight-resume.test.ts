import assert from 'node:assert/strict';
import type { FillBody } from '../../src/cache/flight-contract.js';
import { type Download, receiveWhole } from '../../src/cache/flight-resume.js';
import { ResumeFault } from '../../src/cache/resume-fault.js';
import { type FaultCode, ProxyError } from '../../src/errors.js';
import { sampleBytes } from '../support/fake-fill.js';
import { type ScriptedAnswer, scriptUpstream } from '../support/scripted-upstream.js';

const SIZE = 300_000;
const LIMITS = { resumeAttempts: 3, resumeProgressBytes: 50_000, resumeDelayMs: 1, resumeGiveUpMs: 10_000 };

interface Run {
  readonly received: Buffer;
  /** From which bytes it was asked. */
  readonly asked: readonly number[];
  readonly error: unknown;
}

describe('cache/flight-resume', () => {
  const content = sampleBytes(SIZE);

  async function run(script: readonly ScriptedAnswer[], limits: Partial<typeof LIMITS> = {}): Promise<Run> {
    const upstream = scriptUpstream(content, script);
    const { signal } = new AbortController();
    const parts: Buffer[] = [];
    let sizeBytes: number | undefined;
    const download: Download = {
      get sizeBytes() {
        return sizeBytes;
      },
      get receivedBytes() {
        return Buffer.concat(parts).length;
      },
      signal,
      canResume: true,
      reopen: (fromBytes) => upstream.resume(signal, fromBytes),
      accept(body: FillBody) {
        sizeBytes ??= body.sizeBytes;
      },
      receive: (bytes) => void parts.push(Buffer.from(bytes)),
      matches: () => Buffer.concat(parts).equals(content),
    };
    const first = await upstream.open(signal, 0);
    const error = await receiveWhole(first, download, { ...LIMITS, ...limits }).catch((thrown: unknown) => thrown);
    return { received: Buffer.concat(parts), asked: upstream.asked, error };
  }

  const breaks: readonly [string, ScriptedAnswer][] = [
    ['a reset', { untilBytes: 123_456 }],
    ['a clean end too early', { untilBytes: 123_456, cleanly: true }],
    ...(['upstream-timeout', 'upstream-tls', 'upstream-connect', 'upstream-protocol'] as FaultCode[]).map(
      (code): [string, ScriptedAnswer] => [code, { untilBytes: 123_456, fault: new ProxyError(code, 'broken') }],
    ),
  ];
  for (const [what, how] of breaks) {
    it(`H01 goes on at the byte where ${what} ended the body`, async () => {
      const { received, asked, error } = await run([how]);
      assert.equal(error, undefined);
      assert.deepEqual(asked, [0, 123_456]);
      assert.ok(received.equals(content));
    });
  }

  it('H01 begins anew where nothing had come', async () => {
    const { received, asked } = await run([{ untilBytes: 0 }]);
    assert.deepEqual(asked, [0, 0]);
    assert.ok(received.equals(content));
  });

  it('skips what it has where the upstream gives the whole', async () => {
    const { received, asked } = await run([{ untilBytes: 123_456 }, { ignoresRange: true }]);
    assert.deepEqual(asked, [0, 123_456]);
    assert.ok(received.equals(content));
  });

  it('counts tries from the last progress, however many breaks there are', async () => {
    const cuts = Array.from({ length: 11 }, (_, n) => ({ untilBytes: (n + 1) * 25_000 }));
    const { received, asked, error } = await run(cuts);
    assert.equal(error, undefined);
    assert.equal(asked.length, 12);
    assert.ok(received.equals(content));
  });

  it('gives up with the last fault after so many tries without progress', async () => {
    const last = new ProxyError('upstream-timeout', 'the last');
    const stuck = { untilBytes: 100_000 };
    const { asked, error, received } = await run([
      stuck,
      stuck,
      { refusal: new ProxyError('upstream-dns', 'gone') },
      { untilBytes: 0, fault: last },
    ]);
    assert.equal(error, last);
    assert.deepEqual(asked, [0, 100_000, 100_000, 100_000]);
    assert.ok(received.equals(content.subarray(0, 100_000)));
  });

  it('takes a little more each time for no progress', async () => {
    const drips = Array.from({ length: 20 }, (_, n) => ({ untilBytes: 100_000 + n }));
    const { asked } = await run(drips);
    assert.equal(asked.length, 4);
  });

  it('begins no further try after its time', async () => {
    const stuck = Array.from({ length: 3 }, () => ({ untilBytes: 100_000 }));
    const { asked } = await run(stuck, { resumeDelayMs: 1_000_000 });
    assert.deepEqual(asked, [0, 100_000], 'the first try comes at once');
  });

  it('H05 waits as long as the upstream asks for, and gives up at once where that is too long', async () => {
    const busy = (retryAfterMs: number) => ({ refusal: new ResumeFault('busy', { retryAfterMs }) });
    assert.ok((await run([{ untilBytes: 100_000 }, busy(5)])).received.equals(content));
    const { asked, error } = await run([{ untilBytes: 100_000 }, busy(20_000)]);
    assert.deepEqual(asked, [0, 100_000]);
    assert.equal((error as Error).message, 'busy');
  });

  it('is over where the registry refuses', async () => {
    const refusal = new ResumeFault('no', { isRefusal: true });
    const { asked, error } = await run([{ untilBytes: 100_000 }, { refusal }]);
    assert.deepEqual(asked, [0, 100_000]);
    assert.equal(error, refusal);
  });

  for (const fault of [new ProxyError('digest-mismatch', 'x'), new ProxyError('egress-refused', 'x'), new Error('x')]) {
    it(`does not try again after ${'code' in fault ? fault.code : 'a fault of its own'}`, async () => {
      const { asked, error } = await run([{ untilBytes: 100_000, fault }]);
      assert.deepEqual(asked, [0]);
      assert.equal(error, fault);
    });
  }

  it('asks for the whole once more where another length is told', async () => {
    const other = { sizeBytes: SIZE + 1 };
    const { received, asked } = await run([{ untilBytes: 100_000 }, other]);
    assert.deepEqual(asked, [0, 100_000, 0]);
    assert.ok(received.equals(content));
  });

  it('is over where another length is told again', async () => {
    const other = { sizeBytes: SIZE + 1 };
    const { asked, error, received } = await run([{ untilBytes: 100_000 }, other, other]);
    assert.deepEqual(asked, [0, 100_000, 0]);
    assert.equal((error as ProxyError).code, 'upstream-protocol');
    assert.equal(received.length, 100_000, 'nothing of another length is taken in');
  });

  it('H03 tells a cut from the end by the digest where no length is known', async () => {
    const { received, asked, error } = await run([{ sizeBytes: 'none', untilBytes: 123_456, cleanly: true }]);
    assert.equal(error, undefined);
    assert.deepEqual(asked, [0, 123_456]);
    assert.ok(received.equals(content));
  });

  it('believes the end of a body without a length that comes twice', async () => {
    const end = { sizeBytes: 'none', untilBytes: 123_456, cleanly: true } as const;
    const { received, asked, error } = await run([end, end, end]);
    assert.equal(error, undefined, 'the digest is for the caller to check');
    assert.deepEqual(asked, [0, 123_456]);
    assert.equal(received.length, 123_456);
  });
});
