import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { createLogger, createSilentLogger, type LogFields, type LoggerOptions } from '../../src/telemetry/log.js';

function capture(options: Omit<LoggerOptions, 'destination'>): {
  logger: ReturnType<typeof createLogger>;
  text: () => string;
} {
  let written = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written += chunk.toString();
      done();
    },
  });
  return { logger: createLogger({ ...options, destination }), text: () => written };
}

describe('telemetry/log', () => {
  it('writes one JSON object per line with time, level, fields and message', () => {
    const { logger, text } = capture({ level: 'info', format: 'json' });
    logger.info({ id: 'x1', registry: 'docker.io', status: 200 }, 'exchange');
    logger.warn({}, 'second');
    const [first, second] = text().trimEnd().split('\n');
    const line = JSON.parse(first ?? '') as Record<string, unknown>;
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT/);
    delete line['time'];
    assert.deepEqual(line, { level: 'info', id: 'x1', registry: 'docker.io', status: 200, msg: 'exchange' });
    assert.equal((JSON.parse(second ?? '') as { msg: string }).msg, 'second');
  });

  it('gives the time of each line in milliseconds, when the second changes and when the clock is set back, too', () => {
    const times = [0, 7, 999, 1000, 86_399_999, 1_700_000_000_123, 1_700_000_000_045];
    let line = 0;
    const { logger, text } = capture({ level: 'info', format: 'json', now: () => times[line] ?? 0 });
    for (; line < times.length; line += 1) logger.info({}, 'line');
    const written = text().trimEnd().split('\n');
    const read = written.map((one) => (JSON.parse(one) as { time: string }).time);
    assert.deepEqual(
      read,
      times.map((time) => new Date(time).toISOString()),
    );
  });

  it('never writes a field that is not on the list', () => {
    for (const format of ['json', 'pretty'] as const) {
      const { logger, text } = capture({ level: 'debug', format });
      logger.error({ id: 'x1', authorization: 'Bearer secret' } as LogFields, 'exchange');
      assert.match(text(), /x1/);
      assert.doesNotMatch(text(), /secret/);
    }
  });

  it('keeps quiet below its level', () => {
    const { logger, text } = capture({ level: 'warn', format: 'json' });
    logger.debug({}, 'no');
    logger.info({}, 'no');
    logger.error({}, 'yes');
    assert.equal(text().trimEnd().split('\n').length, 1);
    assert.match(text(), /"msg":"yes"/);
  });

  it('takes silent as a level', () => {
    const { logger, text } = capture({ level: 'silent', format: 'json' });
    logger.error({}, 'no');
    assert.equal(text(), '');
  });

  it('puts a pretty line on one line and obeys no control character in it', () => {
    const { logger, text } = capture({ level: 'info', format: 'pretty' });
    logger.info({ repository: 'a\u001b[2Jb\nINFO forged', error: 'a sentence' }, 'line\nforged');
    assert.equal(text().trimEnd().split('\n').length, 1);
    assert.doesNotMatch(text().trimEnd(), /\p{Cc}/u);
    assert.match(text(), /INFO.*line\\u\{a\}forged.*a\\u\{1b\}\[2Jb\\u\{a\}INFO forged/);
  });

  it('does not treat a percent sign in a message as a format', () => {
    const { logger, text } = capture({ level: 'info', format: 'json' });
    logger.info({ id: 'x1' }, '%s %d %j');
    assert.match(text(), /"msg":"%s %d %j"/);
  });

  it('offers a logger that says nothing', () => {
    assert.doesNotThrow(() => createSilentLogger().error({ id: 'x1' }, 'nothing'));
  });
});
