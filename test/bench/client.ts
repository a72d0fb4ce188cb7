import net from 'node:net';
import tls from 'node:tls';

/** How a client reaches a registry. */
export interface Way {
  /** The proxy to send a CONNECT to; without one the target is dialled itself. */
  readonly proxyPort?: number;
  /** The loopback address to come from, where a client is to be told from another. */
  readonly from?: string;
  /** host:port of the target, as CONNECT names it. */
  readonly target: { readonly host: string; readonly port: number };
  /** Roots that are trusted, PEM. */
  readonly ca: string;
}

export interface Answer {
  readonly status: number;
  readonly bodyBytes: number;
  /** From sending the request to the first byte of the body, or to the head's end where there is none. */
  readonly firstByteMs: number;
}

/** Takes the bytes of a body, which are valid only during the call. */
export type Sink = (bytes: Buffer, offset: number) => void;

const HEAD_END = Buffer.from('\r\n\r\n');
// What Go's clients agree on with every one of the servers.
const CIPHERS = 'TLS_AES_128_GCM_SHA256';

interface Pending {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * A connection of a client that costs little: no HTTP library, nothing kept, no sessions resumed. Every answer
 * must have a Content-Length, which those of all peers have.
 */
export class Connection {
  #socket!: tls.TLSSocket;
  #pending: Pending | undefined;
  #sink: Sink | undefined;
  #isHead = false;
  #head: Buffer = Buffer.alloc(0);
  #inBody = false;
  #status = 0;
  #lengthBytes = 0;
  #takenBytes = 0;
  #sentAt = 0;
  #firstByteMs = 0;

  static async open(way: Way): Promise<Connection> {
    const connection = new Connection();
    const raw = await dial(way);
    await new Promise<void>((resolve, reject) => {
      const socket = tls.connect({
        socket: raw,
        servername: way.target.host,
        ca: way.ca,
        ciphers: CIPHERS,
      });
      connection.#socket = socket;
      socket.once('secureConnect', resolve);
      socket.on('error', (error) => {
        reject(error);
        connection.#fail(error);
      });
      socket.on('close', () => connection.#fail(new Error('the connection was closed')));
      socket.on('data', (bytes: Buffer) => connection.#take(bytes));
    });
    return connection;
  }

  request(method: 'GET' | 'HEAD', path: string, headers: string, sink?: Sink): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#sink = sink;
      this.#isHead = method === 'HEAD';
      this.#inBody = false;
      this.#takenBytes = 0;
      this.#sentAt = performance.now();
      this.#socket.write(`${method} ${path} HTTP/1.1\r\n${headers}\r\n`, 'latin1');
    });
  }

  /** Reads nothing any more: a client that stalls. */
  stall(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#inBody) this.#takeBody(bytes);
    else this.#takeHead(bytes);
  }

  #takeHead(bytes: Buffer): void {
    const all = this.#head.length === 0 ? bytes : Buffer.concat([this.#head, bytes]);
    const end = all.indexOf(HEAD_END);
    if (end === -1) {
      this.#head = Buffer.from(all);
      return;
    }
    const head = all.toString('latin1', 0, end);
    this.#head = Buffer.alloc(0);
    this.#status = Number(head.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined && !this.#isHead) {
      this.#fail(new Error(`an answer without a Content-Length: ${head}`));
      return;
    }
    this.#lengthBytes = this.#isHead ? 0 : Number(length);
    this.#firstByteMs = 0;
    this.#inBody = true;
    this.#takeBody(all.subarray(end + HEAD_END.length));
  }

  #takeBody(bytes: Buffer): void {
    if (this.#firstByteMs === 0 && (bytes.length > 0 || this.#lengthBytes === 0)) {
      this.#firstByteMs = performance.now() - this.#sentAt;
    }
    this.#sink?.(bytes, this.#takenBytes);
    this.#takenBytes += bytes.length;
    if (this.#takenBytes < this.#lengthBytes) return;
    this.#inBody = false;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve({ status: this.#status, bodyBytes: this.#takenBytes, firstByteMs: this.#firstByteMs });
  }

  #fail(error: Error): void {
    this.#pending?.reject(error);
    this.#pending = undefined;
  }
}

/** TCP to the target, through a CONNECT where there is a proxy. */
async function dial({ proxyPort, target, from }: Way): Promise<net.Socket> {
  const socket = net.connect({
    host: proxyPort === undefined ? target.host : '127.0.0.1',
    port: proxyPort ?? target.port,
    ...(from !== undefined && { localAddress: from }),
  });
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    if (proxyPort === undefined) {
      socket.once('connect', () => resolve(socket));
      return;
    }
    const name = `${target.host}:${target.port}`;
    socket.write(`CONNECT ${name} HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
    let said = '';
    const onData = (bytes: Buffer) => {
      said += bytes.toString('latin1');
      if (!said.includes('\r\n\r\n')) return;
      socket.off('data', onData).pause();
      if (/^HTTP\/1\.[01] 200/.test(said)) resolve(socket);
      else reject(new Error(`CONNECT ${name}: ${said.slice(0, said.indexOf('\r\n'))}`));
    };
    socket.on('data', onData);
  });
}
