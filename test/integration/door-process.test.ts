import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { clientHello, UNKNOWN_CA } from '../support/client-hello.js';
import { connectRaw, openTlsTunnel, rawClient } from '../support/raw-client.js';
import { type ProxyProcess, spawnProxy } from '../support/spawn-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';
import { createTestAuthority } from '../support/test-certificates.js';

/*
 * What is seen of the door from outside the program: its log, and the memory that it takes.
 */

const MIB = 1024 * 1024;
/** A client whose writes come no further in this time is held up. */
const HELD_UP_MS = 1_000;

/** The most memory that a process has had at once so far, bytes. Linux tells it. */
async function peakBytes(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(?<kib>\d+) kB$/m.exec(status)?.groups?.['kib']) * 1024;
}

/** A registry that takes nothing of an upload before it is told to, and answers with what it got. */
async function startLateTaker() {
  let take: () => void = () => undefined;
  const told = new Promise<void>((resolve) => {
    take = resolve;
  });
  const authority = createTestAuthority('late taker');
  const { certificatePem, keyPem } = authority.issue(['127.0.0.1']);
  const server = https.createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
    const hash = createHash('sha256');
    let bytes = 0;
    void told.then(() =>
      request.on('data', (chunk: Buffer) => {
        hash.update(chunk);
        bytes += chunk.length;
      }),
    );
    request.on('end', () => {
      response.writeHead(202, { 'Content-Length': '0', 'X-Got': `${bytes} ${hash.digest('hex')}` }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    take: () => take(),
    ca: authority.certificatePem,
    authority: `127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('integration/door: the process', function () {
  this.timeout(120_000);
  let folder: TempDir;
  let proxy: ProxyProcess | undefined;

  beforeEach(async () => {
    folder = await createTempDir();
  });
  afterEach(async () => {
    if (proxy?.process.exitCode === null) await proxy.end('SIGKILL');
    proxy = undefined;
    await folder.remove();
  });

  it('B19: says in the log which host a client refused our certificate for, and what to do', async () => {
    proxy = await spawnProxy(folder.path, { registries: [], flags: { 'upstream-ca': '', intercept: 'registry.test' } });
    const client = await connectRaw(proxy.place);
    client.send('CONNECT registry.test:443 HTTP/1.1\r\nHost: registry.test\r\n\r\n');
    await client.readUntil('\r\n\r\n');
    client.send(await clientHello('registry.test'));
    await client.readBytes(5);
    client.send(UNKNOWN_CA);
    await client.closed;
    await proxy.end('SIGTERM');
    const line = proxy
      .output()
      .split('\n')
      .find((one) => one.includes('TLS with a client failed'));
    const { level, host, client: by, reason, msg } = JSON.parse(line ?? '{}') as Record<string, string>;
    assert.deepEqual([level, host, by, reason], ['warn', 'registry.test', '127.0.0.1', 'untrusted-ca']);
    assert.match(msg ?? '', /does not trust our CA; install ca\.crt there and restart it$/);
  });

  for (const framing of ['Content-Length', 'chunked']) {
    it(`D13: passes a push of 256 MiB on in constant memory, ${framing}`, async () => {
      const taker = await startLateTaker();
      const roots = join(folder.path, 'taker.pem');
      await writeFile(roots, taker.ca);
      const flags = { 'upstream-ca': roots, intercept: taker.authority };
      proxy = await spawnProxy(folder.path, { registries: [], flags });
      const socket = await openTlsTunnel({ ...proxy.way, authority: taker.authority });
      const client = rawClient(socket);
      const total = 256 * MIB;
      const isChunked = framing === 'chunked';
      const body = isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${total}`;
      const lines = ['PATCH /v2/a/blobs/uploads/1 HTTP/1.1', `Host: ${taker.authority}`, body, 'Expect: 100-continue'];
      client.send(`${lines.join('\r\n')}\r\n\r\n`);
      assert.match(await client.readUntil('\r\n\r\n'), /^HTTP\/1\.1 100 /);
      const before = await peakBytes(proxy.process.pid);
      const piece = Buffer.alloc(MIB, 'push');
      const sent = createHash('sha256');
      for (let at = 0; at < total; at += MIB) {
        sent.update(piece);
        const framed = isChunked ? [Buffer.from('100000\r\n'), piece, Buffer.from('\r\n')] : [piece];
        if (socket.write(Buffer.concat(framed))) continue;
        const drained = once(socket, 'drain');
        // The registry begins when the client can go no further: all that a proxy would pile up is piled up then.
        const heldUp = setTimeout(taker.take, HELD_UP_MS);
        await drained;
        clearTimeout(heldUp);
      }
      if (isChunked) socket.write('0\r\n\r\n');
      taker.take();
      const answer = await client.readUntil('\r\n\r\n');
      assert.match(answer, /^HTTP\/1\.1 202 /);
      assert.ok(answer.includes(`X-Got: ${total} ${sent.digest('hex')}`), answer);
      const grown = (await peakBytes(proxy.process.pid)) - before;
      assert.ok(grown < 96 * MIB, `it took ${Math.round(grown / MIB)} MiB more`);
      client.destroy();
      assert.equal(await proxy.end('SIGTERM'), 0);
      await taker.close();
    });
  }
});
