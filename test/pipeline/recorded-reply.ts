import { ProxyError } from '../../src/errors.js';
import type { RawHeaders, Reply } from '../../src/http/exchange.js';
import { headerValue } from '../../src/http/headers.js';

/** A reply that keeps what it is given, as a client would see it. */
export interface RecordedReply extends Reply {
  readonly headers: RawHeaders;
  readonly body: Buffer;
  readonly text: string;
  /** `ended` cleanly, `destroyed`, or still `open`. */
  readonly state: 'open' | 'ended' | 'destroyed';
  header(name: string): string | undefined;
  /** From now on the client is gone: writing rejects. */
  leave(): void;
}

export interface ReplyOptions {
  /** The client goes away when it has had so many bytes. */
  readonly leaveAfterBytes?: number;
}

export function recordReply({ leaveAfterBytes = Number.POSITIVE_INFINITY }: ReplyOptions = {}): RecordedReply {
  let status = 0;
  let headers: RawHeaders = [];
  let state: RecordedReply['state'] = 'open';
  let gone = false;
  let sentBytes = 0;
  const pieces: Buffer[] = [];

  function mustBeThere(): void {
    if (state === 'ended') throw new Error('the reply was used after its end');
    if (gone || state === 'destroyed') throw new ProxyError('client-gone', 'the client is gone');
  }

  return {
    get headSent() {
      return status !== 0;
    },
    get sentBytes() {
      return sentBytes;
    },
    get status() {
      return status;
    },
    get headers() {
      return headers;
    },
    get body() {
      return Buffer.concat(pieces);
    },
    get text() {
      return Buffer.concat(pieces).toString('latin1');
    },
    get state() {
      return state;
    },
    header: (name) => headerValue(headers, name),
    leave: () => {
      gone = true;
    },
    head(newStatus, newHeaders) {
      if (status !== 0) throw new Error('a second head was sent');
      status = newStatus;
      headers = newHeaders;
    },
    async write(bytes) {
      if (status === 0) throw new Error('a body was sent before its head');
      mustBeThere();
      // The bytes leave a turn later: who frees them before that sends something else.
      await new Promise((resolve) => setImmediate(resolve));
      pieces.push(Buffer.from(bytes));
      sentBytes += bytes.length;
      if (sentBytes >= leaveAfterBytes) gone = true;
      mustBeThere();
    },
    async end() {
      mustBeThere();
      state = 'ended';
    },
    async send(newStatus, newHeaders, bytes) {
      this.head(newStatus, newHeaders);
      if (bytes.length > 0) await this.write(bytes);
      await this.end();
    },
    destroy() {
      state = 'destroyed';
    },
  };
}
