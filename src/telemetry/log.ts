import { createRequire } from 'node:module';
import type { Writable } from 'node:stream';
import { type DestinationStream, pino } from 'pino';
import type * as Pretty from 'pino-pretty';
import { escapeControls, type LogFields, pickLogFields, truncate } from './log-fields.js';

export type { LogFields } from './log-fields.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export type LogFormat = 'json' | 'pretty';

/** Takes allow-listed fields only. Messages are fixed sentences; what varies goes into a field. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Where the lines go; standard output when absent. */
  readonly destination?: Writable | undefined;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** A logger that writes one line per call, in process and before the call returns where standard output allows it. */
export function createLogger({ level, format, destination, now = Date.now }: LoggerOptions): Logger {
  const options = {
    level,
    base: null,
    timestamp: createTimestamp(now),
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const stream = format === 'pretty' ? prettyStream(destination) : jsonStream(destination);
  const sink = pino(options, stream);
  const clean = format === 'pretty' ? escapeFields : (fields: Record<string, string | number>) => fields;

  function write(method: 'debug' | 'info' | 'warn' | 'error', fields: LogFields, message: string): void {
    if (!sink.isLevelEnabled(method)) return;
    sink[method](
      clean(pickLogFields(fields)),
      format === 'pretty' ? escapeControls(truncate(message)) : truncate(message),
    );
  }

  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}

/** The time of a line, as pino's own `isoTime` gives it; what stays the same for a second is put together once. */
function createTimestamp(now: () => number): () => string {
  let second = Number.NaN;
  let text = '';
  return () => {
    const at = now();
    const thisSecond = Math.floor(at / 1000);
    if (thisSecond !== second) text = new Date(thisSecond * 1000).toISOString().slice(0, -'000Z'.length);
    second = thisSecond;
    return `,"time":"${text}${String(at - thisSecond * 1000).padStart(3, '0')}Z"`;
  };
}

const GATHERED_BYTES = 8 * 1024;
const FLUSH_MS = 100;

/** A logger that says nothing, for tests and for commands that speak for themselves. */
export function createSilentLogger(): Logger {
  return { debug: discard, info: discard, warn: discard, error: discard };
}

function discard(): void {
  // Nothing: that is what the silent logger is for.
}

function jsonStream(destination: Writable | undefined): DestinationStream {
  if (destination !== undefined) return destination;
  // Lines are gathered for a moment, because a write for each is a tenth of the cost of a small answer. Pino writes out
  // what is left when the process ends.
  const stdout = pino.destination({ fd: 1, sync: false, minLength: GATHERED_BYTES, periodicFlush: FLUSH_MS });
  // A reader of our output that has gone away is no reason to end the proxy.
  stdout.on('error', () => undefined);
  return stdout;
}

function prettyStream(destination: Writable | undefined): DestinationStream {
  const target = destination ?? process.stdout;
  const colour = destination === undefined && process.stdout.isTTY;
  // Loaded here, because a log that programs read does without it.
  const { build } = createRequire(import.meta.url)('pino-pretty') as typeof Pretty;
  return build({
    sync: true,
    colorize: colour,
    destination: target,
    singleLine: true,
    // `error` is a sentence here, no object with a stack.
    errorLikeObjectKeys: [],
    translateTime: 'SYS:HH:MM:ss.l',
  });
}

function escapeFields(fields: Record<string, string | number>): Record<string, string | number> {
  const escaped: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(fields)) {
    escaped[name] = typeof value === 'string' ? escapeControls(value) : value;
  }
  return escaped;
}
