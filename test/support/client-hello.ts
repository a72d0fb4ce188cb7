import { once } from 'node:events';
import { Duplex } from 'node:stream';
import tls from 'node:tls';

/** The fatal alert by which OpenSSL, Go and Java refuse a certificate of a CA that they don't know, unencrypted. */
export const UNKNOWN_CA = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x30]);

/** The bytes of a ClientHello of TLS 1.2 for this name. */
export async function clientHello(servername: string): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const wire = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      pieces.push(bytes);
      wire.emit('hello');
      done();
    },
  });
  const secured = tls.connect({ socket: wire, servername, maxVersion: 'TLSv1.2' });
  secured.on('error', () => undefined);
  if (pieces.length === 0) await once(wire, 'hello');
  secured.destroy();
  return Buffer.concat(pieces);
}
