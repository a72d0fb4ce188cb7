import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { hostname } from 'node:os';
import { Writable } from 'node:stream';
import type { RunningApp } from '../../src/app.js';
import { describeStart, runServe } from '../../src/cli/serve.js';
import { type ConfigSource, loadSettings } from '../../src/config/load.js';
import { ConfigError } from '../../src/errors.js';
import { createLogger } from '../../src/telemetry/log.js';
import type { Authority } from '../../src/tls/authority.js';
import { createFakeIo, type FakeIo } from './fake-io.js';

const ADDRESSES = {
  proxy: { host: '127.0.0.1', port: 3128 },
  admin: { host: '127.0.0.1', port: 3129 },
  authority: { certificatePath: '/ca/ca.crt', fingerprintSha256: 'AA:BB', created: false },
};

function app(io: FakeIo, stop: () => Promise<void> = async () => undefined): RunningApp {
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      io.out(chunk.toString());
      done();
    },
  });
  return {
    ...ADDRESSES,
    nextAuthority: undefined,
    logger: createLogger({ level: 'info', format: 'json', destination }),
    stop,
  };
}

/** Waits until the proxy has told that it runs. */
async function untilReady(io: FakeIo): Promise<void> {
  while (!/is ready/.test(io.written.out)) await new Promise((resolve) => setImmediate(resolve));
}

function load(flags: ConfigSource['flags'], isTerminal = false): ReturnType<typeof loadSettings> {
  return loadSettings({ flags, env: { HOME: '/home/u' }, cwd: '/work', isTerminal });
}

describe('cli/serve', () => {
  it('says where it listens, which CA to trust and what to export', () => {
    const text = describeStart(app(createFakeIo()));
    assert.match(text, /^ {2}proxy {4}http:\/\/127\.0\.0\.1:3128$/m);
    assert.match(text, /^ {2}admin {4}http:\/\/127\.0\.0\.1:3129$/m);
    assert.match(text, /^ {2}CA file {2}\/ca\/ca\.crt$/m);
    assert.match(text, /^ {2}SHA-256 {2}AA:BB$/m);
    assert.match(text, /^ {2}export HTTPS_PROXY=http:\/\/127\.0\.0\.1:3128$/m);
    assert.match(text, /^ {2}curl -fO http:\/\/127\.0\.0\.1:3128\/ca\.crt$/m);
  });

  it('names no CA where nothing is opened', () => {
    const text = describeStart({ ...app(createFakeIo()), authority: undefined });
    assert.match(text, /opens nothing/);
    assert.match(text, /^ {2}export HTTPS_PROXY=http:\/\/127\.0\.0\.1:3128$/m);
    assert.doesNotMatch(text, /CA file|ca\.crt|SHA-256/);
  });

  it('names the coming CA during a rotation, and when it signs', async () => {
    const authority = { fingerprintSha256: 'CC:DD' } as Authority;
    const text = describeStart({ ...app(createFakeIo()), nextAuthority: { authority, switchAt: 0 } });
    assert.match(text, /^ {2}SHA-256 {5}AA:BB\n {2}next CA {5}CC:DD\n {2}signs from {2}1970-01-01T00:00:00\.000Z$/m);
  });

  it('names this machine where it listens on all addresses, and says that admin is off', () => {
    const text = describeStart({ ...app(createFakeIo()), proxy: { host: '::', port: 3128 }, admin: undefined });
    assert.match(text, /^ {2}proxy {4}http:\/\/\[::\]:3128$/m);
    assert.match(text, /^ {2}admin {4}off$/m);
    assert.ok(text.includes(`export HTTPS_PROXY=http://${hostname()}:3128\n`));
  });

  it('stops at the first signal and gives 0', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const io = createFakeIo();
      let stops = 0;
      const done = runServe(load({}), io, async () =>
        app(io, async () => {
          stops += 1;
        }),
      );
      await untilReady(io);
      io.signal(signal);
      assert.equal(await done, 0);
      assert.equal(stops, 1);
      assert.deepEqual(io.exits, []);
      assert.equal(io.listeners.size, 0);
    }
  });

  it('ends the process at the second signal', async () => {
    const io = createFakeIo();
    const stopping = new EventEmitter();
    const isStopping = once(stopping, 'begin');
    const running = app(io, async () => {
      const end = once(stopping, 'end');
      stopping.emit('begin');
      await end;
    });
    const done = runServe(load({}), io, async () => running);
    await untilReady(io);
    io.signal('SIGINT');
    await isStopping;
    assert.deepEqual(io.exits, []);
    io.signal('SIGTERM');
    assert.deepEqual(io.exits, [143]);
    stopping.emit('end');
    await done;
  });

  it('gives 130 for a second SIGINT', async () => {
    const io = createFakeIo();
    const done = runServe(load({}), io, async () => app(io));
    await untilReady(io);
    io.signal('SIGINT');
    io.signal('SIGINT');
    assert.deepEqual(io.exits, [130]);
    await done;
  });

  it('ends the process at the first signal while it is starting', async () => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const io = createFakeIo();
      const done = runServe(load({}), io, () => new Promise<never>(() => {}));
      io.signal(signal);
      assert.equal(await done, code);
      assert.deepEqual(io.exits, [code]);
      assert.equal(io.written.out, '');
      assert.equal(io.listeners.size, 0);
    }
  });

  it('prints nothing but JSON lines to whoever asks for JSON', async () => {
    const io = createFakeIo();
    const done = runServe(load({ 'log-format': 'json' }), io, async () => app(io));
    await untilReady(io);
    io.signal('SIGINT');
    await done;
    const lines = io.written.out.trimEnd().split('\n');
    const ready = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    assert.equal(ready['msg'], 'The proxy is ready');
    assert.equal(ready['listen'], '127.0.0.1:3128');
    assert.equal(ready['fingerprint'], 'AA:BB');
    for (const line of lines) assert.doesNotThrow(() => JSON.parse(line) as unknown);
  });

  it('prints the block once, on a pipe and on a terminal', async () => {
    for (const isTerminal of [false, true]) {
      const io = createFakeIo();
      const done = runServe(load({}, isTerminal), io, async () => app(io));
      await untilReady(io);
      io.signal('SIGINT');
      await done;
      assert.equal(io.written.out.split('entrepot is ready.').length, 2);
      assert.equal(io.written.out.includes('The proxy is ready'), !isTerminal);
    }
  });

  it('lets a failed start through and listens for signals no more', async () => {
    const io = createFakeIo();
    const failure = new ConfigError(['--listen 127.0.0.1:3128: another process listens there']);
    await assert.rejects(
      runServe(load({}), io, () => Promise.reject(failure)),
      failure,
    );
    assert.equal(io.listeners.size, 0);
    assert.equal(io.written.out, '');
  });
});
