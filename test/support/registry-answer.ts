import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { RecordedRequest } from './registry-log.js';

export interface Answer {
  readonly status: number;
  /** Name, value, name, value. Content-Length is added from the body. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** One thing, or several at once, that an answer does wrong. */
export interface Misbehaviour {
  /** Holds the answer back until `release`: before its head, or after so many body bytes. */
  readonly stall?: 'head' | number;
  /** Closes the connection before any answer. */
  readonly hangUp?: boolean;
  /** Ends the connection after so many body bytes; with `reset`, by RST. */
  readonly truncateAt?: number;
  readonly reset?: boolean;
  /** Flips one bit of the body byte at this offset. */
  readonly corruptAt?: number;
  /** Stands behind the body, beyond the announced length unless `contentLength` says otherwise. */
  readonly extraBytes?: Buffer;
  /** Another Content-Length than the body's; `chunked` or `close` (until the connection ends) instead of one. */
  readonly contentLength?: number | 'chunked' | 'close';
  /** Compresses the body without being asked. */
  readonly gzip?: boolean;
  readonly status?: number;
  readonly body?: Buffer;
  /** Lower-case names of headers that are left out. */
  readonly dropHeaders?: readonly string[];
  /** Replaces headers of the same name. */
  readonly setHeaders?: Readonly<Record<string, string>>;
  /** Writes the body in pieces of so many bytes, one each turn of `everyMs`. */
  readonly trickle?: { readonly bytes: number; readonly everyMs: number };
  /** Answers a Range request with the whole body. */
  readonly ignoreRange?: boolean;
  /** Bytes written behind the whole answer on the same connection. */
  readonly afterwards?: Buffer;
}

const SLICE_BYTES = 64 * 1024;

/** Bends an answer's head and body; how it is written is the affair of `deliver`. */
export function bend(answer: Answer, how: Misbehaviour): Answer {
  let { body } = answer;
  let headers = [...answer.headers];
  if (how.body !== undefined) body = how.body;
  if (how.corruptAt !== undefined) {
    body = Buffer.from(body);
    body[how.corruptAt] = (body[how.corruptAt] ?? 0) ^ 1;
  }
  if (how.gzip === true) {
    body = gzipSync(body);
    headers.push('Content-Encoding', 'gzip');
  }
  for (const [name, value] of Object.entries(how.setHeaders ?? {})) headers = [...without(headers, name), name, value];
  for (const name of how.dropHeaders ?? []) headers = without(headers, name);
  return { status: how.status ?? answer.status, headers, body };
}

/** Writes an answer, whole or as badly as it was told. `released` resolves when a stall is over. */
export async function deliver(
  record: RecordedRequest,
  response: ServerResponse,
  answer: Answer,
  how: Misbehaviour,
  released: () => Promise<void>,
): Promise<void> {
  const socket = response.socket as Socket;
  if (how.hangUp === true) return void socket.destroy();
  if (how.stall === 'head') await released();
  if (socket.destroyed) return;
  writeHead(record, response, answer, how);
  const whole = record.method === 'HEAD' ? Buffer.alloc(0) : answer.body;
  const stop = Math.min(how.truncateAt ?? whole.length, whole.length);
  const stall = typeof how.stall === 'number' ? how.stall : undefined;
  for (let at = 0; at < stop && !socket.destroyed; ) {
    if (at === stall) await released();
    const next = stall !== undefined && at < stall ? Math.min(stall, stop) : stop;
    const end = Math.min(next, at + (how.trickle?.bytes ?? SLICE_BYTES));
    if (!response.write(whole.subarray(at, end))) await drained(response);
    record.sentBytes += end - at;
    at = end;
    if (how.trickle !== undefined) await pause(how.trickle.everyMs, socket);
  }
  if (stall !== undefined && stall >= stop) await released();
  if (how.truncateAt !== undefined) return breakOff(response, socket, how.reset === true);
  if (how.extraBytes !== undefined && record.method !== 'HEAD') response.write(how.extraBytes);
  response.end();
  if (how.afterwards !== undefined) {
    await once(response, 'finish');
    socket.write(how.afterwards);
  }
}

function writeHead(record: RecordedRequest, response: ServerResponse, answer: Answer, how: Misbehaviour): void {
  const headers = [...answer.headers];
  const bodyless = answer.status === 204 || answer.status === 304 || answer.status < 200;
  const hasLength = headers.some((text, i) => i % 2 === 0 && text.toLowerCase() === 'content-length');
  const drops = how.dropHeaders?.includes('content-length') === true;
  if (typeof how.contentLength === 'number') headers.push('Content-Length', String(how.contentLength));
  else if (how.contentLength === 'close') {
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
  } else if (how.contentLength === undefined && !bodyless && !hasLength && !drops) {
    headers.push('Content-Length', String(answer.body.length));
  }
  response.writeHead(answer.status, headers);
  response.flushHeaders();
  record.status = answer.status;
}

/** What was written before goes out, then the connection ends, in the middle of the body. */
async function breakOff(response: ServerResponse, socket: Socket, reset: boolean): Promise<void> {
  response.uncork();
  await new Promise<void>((resolve) => {
    if (socket.destroyed) return resolve();
    socket.write('', () => resolve());
  });
  if (reset) socket.resetAndDestroy();
  else socket.end(() => socket.destroy());
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed || response.socket?.destroyed !== false) return;
  await new Promise<void>((resolve) => {
    function go(): void {
      response.off('drain', go).off('close', go);
      resolve();
    }
    response.on('drain', go).on('close', go);
  });
}

async function pause(ms: number, socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(go, ms);
    function go(): void {
      clearTimeout(timer);
      socket.off('close', go);
      resolve();
    }
    socket.on('close', go);
  });
}

function without(headers: readonly string[], name: string): string[] {
  const wanted = name.toLowerCase();
  return headers.filter((_, i) => headers[i - (i % 2)]?.toLowerCase() !== wanted);
}
