import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { once } from 'node:events';
import fs from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createNameLookup } from '../../src/net/name-lookup.js';
import { startFakeRegistry } from '../support/fake-registry.js';
import { proxyGet } from '../support/pull.js';
import { startProxy } from '../support/start-proxy.js';
import { createTempDir, type TempDir } from '../support/temp-dir.js';

/*
 * File reads and the system's resolver share libuv's threads. A disk that hangs may take all of them: here, opening a
 * pipe that nobody writes to does. Names are then still found, and what needs no disk is still answered.
 */

/** More than libuv has, so that whatever comes next waits behind them. */
const HANGING = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) + 2;

describe('integration/a disk that hangs (J07)', () => {
  let folder: TempDir;
  let release: () => Promise<void>;

  beforeEach(async () => {
    folder = await createTempDir();
    release = async () => undefined;
  });

  afterEach(async () => {
    await release();
    await folder.remove();
  });

  /** Takes all threads until `release`. */
  function hang(): void {
    const pipes = Array.from({ length: HANGING }, (_, n) => join(folder.path, `pipe-${n}`));
    execFileSync('mkfifo', pipes);
    const opening = pipes.map((pipe) => open(pipe, 'r'));
    release = async () => {
      release = async () => undefined;
      // Open for both, which never waits: so it reaches those who wait, and those who have not come yet.
      const ends = pipes.map((pipe) => fs.openSync(pipe, 'r+'));
      for (const handle of await Promise.all(opening)) await handle.close();
      for (const end of ends) fs.closeSync(end);
    };
  }

  it('finds names by its name servers while every thread waits', async () => {
    const server = await startNameServer();
    const resolver = new dns.promises.Resolver();
    resolver.setServers([`127.0.0.1:${server.port}`]);
    const servers = (name: string) => resolver.resolve4(name);
    const lookup = promisify(createNameLookup({ servers, patienceMs: 50 })) as unknown as (
      name: string,
      options: dns.LookupAllOptions,
    ) => Promise<dns.LookupAddress[]>;
    hang();
    let systemAnswered = false;
    async function askSystem(): Promise<void> {
      await dns.promises.lookup('localhost');
      systemAnswered = true;
    }
    const system = askSystem();
    assert.deepEqual(await lookup('registry.test', { all: true }), [{ address: '192.0.2.7', family: 4 }]);
    assert.equal(systemAnswered, false, 'the threads were not all taken');
    await release();
    await system;
    server.close();
  });

  it('answers from memory, and asks registries, while every thread waits', async () => {
    await using registry = await startFakeRegistry();
    await using proxy = await startProxy({ registries: [registry] });
    const image = registry.content.addImage('a', 'v1');
    const accept = ['Accept', image.mediaType];
    const get = (path: string, headers: string[] = []) =>
      proxyGet({ ...proxy.way, authority: registry.authority, path: `/v2/a/${path}`, headers });
    await get('manifests/v1', accept);
    await get('manifests/v1', accept);
    await proxy.settled();
    hang();
    try {
      const tag = await get('manifests/v1', accept);
      assert.equal(tag.header('cache-status'), 'entrepot; hit; detail=resolved');
      assert.ok(tag.body.equals(image.bytes));
      assert.equal((await get('tags/list')).status, 200);
    } finally {
      // Before the proxy stops, which needs its disk.
      await release();
    }
  });
});

/** Answers every question for an address with 192.0.2.7 (RFC 1035 section 4.1). */
async function startNameServer(): Promise<{ readonly port: number; close(): void }> {
  const socket = dgram.createSocket('udp4');
  socket.on('message', (query, from) => {
    const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    const end = query.indexOf(0, 12) + 5;
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    socket.send(Buffer.concat([head, query.subarray(12, end), answer]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => void socket.close() };
}
