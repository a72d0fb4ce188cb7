import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import type { FakeRegistry } from './fake-registry.js';
import { createTestAuthority } from './test-certificates.js';

/** A TLS server that answers each request head with the very bytes that it is told to. */
export interface RawUpstream extends AsyncDisposable {
  readonly authority: string;
  /** The heads that came, as text, in order. */
  readonly heads: string[];
  /** Connections so far. */
  readonly connections: number;
  /** For options that want a registry: this one has an address and a certificate, and nothing else. */
  readonly asRegistry: FakeRegistry;
  close(): Promise<void>;
}

/** Requests are taken to have no body. `onHead` may write nothing, all at once, or later. */
export async function startRawUpstream(
  onHead: (head: string, socket: tls.TLSSocket) => void,
  options: tls.TlsOptions = {},
): Promise<RawUpstream> {
  const certificates = createTestAuthority('raw upstream CA');
  const { certificatePem, keyPem } = certificates.issue(['127.0.0.1', 'localhost']);
  const heads: string[] = [];
  const sockets = new Set<tls.TLSSocket>();
  let connections = 0;
  const server = tls.createServer({ cert: certificatePem, key: keyPem, ...options }, (socket) => {
    connections += 1;
    sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end + 4);
        text = text.slice(end + 4);
        heads.push(head);
        onHead(head, socket);
      }
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const authority = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function close(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }

  const place = { authority, tokenAuthority: authority, cdnAuthority: authority, plainAuthority: authority };
  return {
    authority,
    heads,
    get connections() {
      return connections;
    },
    asRegistry: { ...place, ca: certificates.certificatePem } as unknown as FakeRegistry,
    close,
    [Symbol.asyncDispose]: close,
  };
}
