import assert from 'node:assert/strict';
import {
  parseCount,
  parseDuration,
  parseFreeSpace,
  parseListen,
  parseMaxAge,
  parsePort,
  parseScrub,
  parseSize,
  parseSizeLimit,
  parseStoreSize,
  parseTimeout,
} from '../../src/config/units.js';

describe('config/units', () => {
  it('reads counts', () => {
    assert.equal(parseCount('1'), 1);
    assert.equal(parseCount('1000000'), 1_000_000);
    for (const text of ['', '0', '01', '-1', '1.5', '1e3', '1000001', ' 1', 'x']) {
      assert.throws(() => parseCount(text), /is not a count; write a whole number/, text);
    }
  });

  const durations: readonly [string, number][] = [
    ['0', 0],
    ['0s', 0],
    ['500ms', 500],
    ['60s', 60_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['30d', 2_592_000_000],
    ['3650d', 315_360_000_000],
  ];
  for (const [text, durationMs] of durations) {
    it(`reads the duration ${text}`, () => assert.equal(parseDuration(text), durationMs));
  }
  for (const text of [
    '',
    '60',
    '1.5h',
    '-1s',
    '1 h',
    '1H',
    '1h30m',
    's',
    '1constructor',
    '0x10s',
    '3651d',
    '9'.repeat(16),
  ]) {
    it(`refuses the duration ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseDuration(text), /duration|too long/));
  }

  it('reads timeouts: durations, but neither none nor more than a timer can count', () => {
    assert.equal(parseTimeout('5s'), 5000);
    assert.equal(parseTimeout('24d'), 2_073_600_000);
    for (const text of ['0', '0s', '25d', 'x']) assert.throws(() => parseTimeout(text), /no time|too long|duration/);
  });

  it('reads how long a round of the scrubber takes, or that there is none', () => {
    assert.equal(parseScrub('30d'), 2_592_000_000);
    assert.equal(parseScrub('off'), undefined);
    for (const text of ['0', '59s', 'on']) assert.throws(() => parseScrub(text), /too short|duration/);
  });

  it('reads a limit as a size or as a share of the file system', () => {
    assert.deepEqual(parseSizeLimit('50GiB'), { bytes: 53_687_091_200 });
    assert.deepEqual(parseSizeLimit('80%'), { share: 0.8 });
    assert.deepEqual(parseSizeLimit('0%'), { share: 0 });
    assert.deepEqual(parseSizeLimit('12.5%'), { share: 0.125 });
    for (const text of ['101%', '-1%', '%', '5 %', 'x']) {
      assert.throws(() => parseSizeLimit(text), /more than the whole|is not a size/, text);
    }
  });

  it('takes no store that could store nothing, and says what to write', () => {
    assert.deepEqual(parseStoreSize('10MiB'), { bytes: 10_485_760 });
    assert.deepEqual(parseStoreSize('0.5%'), { share: 0.005 });
    for (const text of ['0', '50', '0%', '10485759']) {
      assert.throws(
        () => parseStoreSize(text),
        /too little to store anything; write 10MiB or more.* --intercept none/,
        text,
      );
    }
    assert.throws(() => parseStoreSize('101%'), /more than the whole/);
  });

  it('leaves a part of the file system to the store', () => {
    assert.deepEqual(parseFreeSpace('0'), { bytes: 0 });
    assert.deepEqual(parseFreeSpace('99.5%'), { share: 0.995 });
    assert.throws(() => parseFreeSpace('100%'), /leaves no room to store anything/);
  });

  it('reads the age that unused content may have, or that there is none', () => {
    assert.equal(parseMaxAge('off'), undefined);
    assert.equal(parseMaxAge('30d'), 2_592_000_000);
    for (const text of ['0', '59m', 'never']) assert.throws(() => parseMaxAge(text), /too short|duration/, text);
  });

  const sizes: readonly [string, number][] = [
    ['0', 0],
    ['512', 512],
    ['10B', 10],
    ['10MB', 10_000_000],
    ['50GiB', 53_687_091_200],
    ['2TiB', 2_199_023_255_552],
    ['1kB', 1000],
    ['1KiB', 1024],
  ];
  for (const [text, bytes] of sizes) {
    it(`reads the size ${text}`, () => assert.equal(parseSize(text), bytes));
  }
  for (const text of ['', 'GiB', '1.5GiB', '-1', '1 GiB', '1gib', '1constructor', '80%', '9007199254740993']) {
    it(`refuses the size ${JSON.stringify(text)}`, () => assert.throws(() => parseSize(text), /size|too large/));
  }

  const listens: readonly [string, string, number][] = [
    ['127.0.0.1:3128', '127.0.0.1', 3128],
    ['[::]:3128', '::', 3128],
    ['LOCALHOST:80', 'localhost', 80],
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['[::1]:0', '::1', 0],
  ];
  for (const [text, host, port] of listens) {
    it(`listens on ${text}`, () => assert.deepEqual(parseListen(text), { host, port }));
  }
  for (const text of [
    '',
    '3128',
    ':3128',
    'localhost',
    '::1:3128',
    '*:3128',
    '127.0.0.1:65536',
    '127.0.0.1:0:0',
    ':0',
    'http://a:1',
  ]) {
    it(`does not listen on ${JSON.stringify(text)}`, () =>
      assert.throws(() => parseListen(text), /is not an address to listen on/));
  }

  it('reads ports from 1 to 65535', () => {
    assert.equal(parsePort('1'), 1);
    assert.equal(parsePort('65535'), 65_535);
    for (const text of ['0', '65536', '0443', '+1', '1e3', '']) assert.throws(() => parsePort(text), /is not a port/);
  });
});
