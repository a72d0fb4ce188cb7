import type { Duplex } from 'node:stream';
import type { RawHeaders } from '../../src/http/exchange.js';
import { headerValue } from '../../src/http/headers.js';

export interface AnswerHead {
  readonly status: number;
  readonly rawHeaders: RawHeaders;
  /** Statuses of the interim answers that came before, such as 100. */
  readonly interim: readonly number[];
}

/** Reads one HTTP/1.1 answer off a connection, taking no byte more than it was asked for. The connection has its own `error` listener. */
export interface WireReader {
  head(): Promise<AnswerHead>;
  /** Reads exactly so many bytes of the body, or fewer where it ends or breaks before. */
  read(bytes: number): Promise<Buffer>;
  /** Whether the body has been read to its clean end. */
  readonly complete: boolean;
  /** What broke the connection, once it is known. */
  readonly fault: string | undefined;
}

type Framing = { kind: 'length'; left: number } | { kind: 'chunked'; left: number } | { kind: 'close' };

export function wireReader(socket: Duplex, method: string): WireReader {
  const input = byteSource(socket);
  let framing: Framing = { kind: 'close' };
  let complete = false;
  let fault: string | undefined;

  function broken(): void {
    fault ??= input.error() ?? 'truncated';
  }

  async function head(): Promise<AnswerHead> {
    const interim: number[] = [];
    for (;;) {
      const lines = (await input.until('\r\n\r\n')).toString('latin1').trimEnd().split('\r\n');
      const status = Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(lines.shift() ?? '')?.[1]);
      const rawHeaders = lines.flatMap((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      });
      if (status >= 100 && status < 200 && status !== 101) {
        interim.push(status);
        continue;
      }
      framing = framingOf(method, status, rawHeaders);
      complete = framing.kind === 'length' && framing.left === 0;
      return { status, rawHeaders, interim };
    }
  }

  async function nextChunk(): Promise<void> {
    const size = Number.parseInt((await input.until('\r\n')).toString('latin1'), 16);
    if (size > 0) framing = { kind: 'chunked', left: size };
    else {
      while ((await input.until('\r\n')).length > 2);
      complete = true;
    }
  }

  async function some(limit: number): Promise<Buffer> {
    if (framing.kind === 'chunked' && framing.left === 0) await nextChunk();
    if (complete) return Buffer.alloc(0);
    const bytes = await input.some(framing.kind === 'close' ? limit : Math.min(limit, framing.left));
    if (bytes.length === 0) {
      if (framing.kind === 'close' && input.error() === undefined) complete = true;
      else broken();
    } else if (framing.kind !== 'close') {
      framing.left -= bytes.length;
      if (framing.left === 0 && framing.kind === 'length') complete = true;
      if (framing.left === 0 && framing.kind === 'chunked') {
        await input.until('\r\n');
        if (input.ended()) broken();
      }
    }
    return bytes;
  }

  async function read(bytes: number): Promise<Buffer> {
    const taken: Buffer[] = [];
    let length = 0;
    while (length < bytes && !complete && fault === undefined) {
      try {
        const chunk = await some(bytes - length);
        taken.push(chunk);
        length += chunk.length;
      } catch {
        broken();
      }
    }
    return Buffer.concat(taken);
  }

  return {
    head,
    read,
    get complete() {
      return complete;
    },
    get fault() {
      return fault;
    },
  };
}

function framingOf(method: string, status: number, headers: RawHeaders): Framing {
  if (method === 'HEAD' || status === 204 || status === 304) return { kind: 'length', left: 0 };
  if (headerValue(headers, 'transfer-encoding') !== undefined) return { kind: 'chunked', left: 0 };
  const length = headerValue(headers, 'content-length');
  return length === undefined ? { kind: 'close' } : { kind: 'length', left: Number(length) };
}

interface ByteSource {
  /** Everything up to and including the text; rejects when the connection ends before. */
  until(text: string): Promise<Buffer>;
  /** At least one byte and at most `limit`; none at the end. */
  some(limit: number): Promise<Buffer>;
  ended(): boolean;
  error(): string | undefined;
}

function byteSource(socket: Duplex): ByteSource {
  let buffered: Buffer = Buffer.alloc(0);

  function error(): string | undefined {
    const fault: NodeJS.ErrnoException | null = socket.errored;
    return fault === null ? undefined : (fault.code ?? fault.message);
  }

  function isEnded(): boolean {
    return (socket.readableEnded || socket.destroyed) && socket.readableLength === 0;
  }

  /** Takes what has come, waiting for it; false at the end. */
  async function fill(): Promise<boolean> {
    for (;;) {
      const chunk = socket.read() as Buffer | null;
      if (chunk !== null) {
        buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
        return true;
      }
      if (isEnded()) return false;
      await new Promise<void>((resolve) => {
        function go(): void {
          socket.off('readable', go).off('end', go).off('close', go);
          resolve();
        }
        socket.on('readable', go).on('end', go).on('close', go);
      });
    }
  }

  function take(bytes: number): Buffer {
    const taken = buffered.subarray(0, bytes);
    buffered = buffered.subarray(bytes);
    return taken;
  }

  return {
    ended: () => buffered.length === 0 && isEnded(),
    error,
    until: async (text) => {
      for (;;) {
        const at = buffered.indexOf(text, 0, 'latin1');
        if (at !== -1) return take(at + text.length);
        if (!(await fill())) throw new Error(`connection ended before the answer (${error() ?? 'no error'})`);
      }
    },
    some: async (limit) => {
      if (buffered.length === 0) await fill();
      return take(limit);
    },
  };
}
