import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteInventory, UnreachableError } from '../../src/cli/admin-client.js';
import { ConfigError } from '../../src/errors.js';
import type { InventoryOperations } from '../../src/inventory/contract.js';
import type { Digest } from '../../src/oci/digest.js';
import { type AdminStage, createAdminStage } from '../admin/admin-stage.js';

const ABSENT = `sha256:${'0'.repeat(64)}` as Digest;

describe('cli/admin-client', () => {
  let stage: AdminStage;
  let remote: InventoryOperations;
  beforeEach(async () => {
    stage = await createAdminStage();
    remote = createRemoteInventory(stage);
  });
  afterEach(() => stage.close());

  it('gives through the API what there is without it', async () => {
    const image = await stage.image('a.test x', 'v1', ['a', 'b']);
    await stage.image('b.test y', 'v1', ['a']);
    const local = stage.operations;
    const [blobs, images] = [{ sort: 'size', limit: 3 } as const, { limit: 1, registry: 'a.test' }];
    for (const ask of [
      (from: InventoryOperations) => from.blobs(blobs),
      (from: InventoryOperations) => from.blob(image.digest),
      (from: InventoryOperations) => from.blob(ABSENT),
      (from: InventoryOperations) => from.images(images),
      (from: InventoryOperations) => from.image('a.test/x:v1'),
      (from: InventoryOperations) => from.image('a.test/x:v2'),
      (from: InventoryOperations) => from.remove({ image: 'a.test/x:v1' }, true),
      (from: InventoryOperations) => from.remove({ toBytes: 0 }, true),
      (from: InventoryOperations) => from.remove({ registry: 'c.test' }, true),
      (from: InventoryOperations) => from.verify({ image: 'a.test/x:v1' }),
      (from: InventoryOperations) => from.verify({ image: 'a.test/x:v2' }),
      (from: InventoryOperations) => from.pin({ image: 'a.test/x:v1' }),
      (from: InventoryOperations) => from.pins({ limit: 10 }),
      (from: InventoryOperations) => from.unpin({ digest: ABSENT }),
    ]) {
      const expected = await ask(local);
      assert.deepEqual(await ask(remote), expected && JSON.parse(JSON.stringify(expected)), ask.toString());
    }
    assert.deepEqual(await remote.unpin({ image: 'a.test/x:v1' }), { digest: image.digest });
  });

  it('takes what the API calls bad for bad usage', async () => {
    await assert.rejects(remote.images({ limit: 1, cursor: 'x' }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.problems, ['cursor is not one that a page of this listing gave as next.']);
      return true;
    });
    await assert.rejects(remote.remove({}, false), ConfigError);
  });

  it('says what to do about a token that is not taken', async () => {
    const stranger = createRemoteInventory({ url: stage.url, token: 'another' });
    await assert.rejects(
      stranger.blobs({ sort: 'used', limit: 1 }),
      /does not take the token; give the proxy’s own --data-dir/,
    );
  });

  it('knows an API that is not there from one that answers badly', async () => {
    const gone = createRemoteInventory({ url: new URL('http://127.0.0.1:1'), token: 'x' });
    await assert.rejects(gone.stats(), (error) => {
      assert.ok(error instanceof UnreachableError);
      assert.match(error.message, /http:\/\/127\.0\.0\.1:1 cannot be reached \(/);
      return true;
    });
  });

  /** A server that answers as the test likes. */
  async function withServer(answer: http.RequestListener, task: (inventory: InventoryOperations) => Promise<void>) {
    const server = http.createServer(answer).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      await task(createRemoteInventory({ url, token: 'x' }));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  it('follows no redirect with its token, and tells of other errors', async () => {
    await withServer(
      (_request, response) => void response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
      async (inventory) => assert.rejects(inventory.stats(), /cannot be reached/),
    );
    await withServer(
      (_request, response) => void response.writeHead(500).end('<html>'),
      async (inventory) => assert.rejects(inventory.stats(), /answered 500: Internal Server Error/),
    );
    await withServer(
      (_request, response) => void response.writeHead(404).end('{}'),
      async (inventory) => assert.rejects(inventory.stats(), /does not know this request/),
    );
  });

  it('knows a server that is none of this kind, as the port of the proxy is', async () => {
    for (const [status, body] of [
      [400, 'A proxy is here.\n'],
      [400, '{"message":"no"}'],
      [200, '<html>'],
      [200, '"text"'],
    ] as const) {
      await withServer(
        (_request, response) => void response.writeHead(status).end(body),
        async (inventory) => {
          for (const task of [inventory.images({ limit: 1 }), inventory.verify({})]) {
            await assert.rejects(task, /^Error: http:\/\/127\.0\.0\.1:\d+ is no admin API of this program; /, body);
          }
        },
      );
    }
  });

  it('tells progress, and what goes wrong in the middle', async () => {
    await withServer(
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/x-ndjson' });
        response.write('{"progress":{"share":0.5,"text":"half"}}\n{"prog');
        response.end('ress":{"text":"more"}}\n{"error":"the disk is full"}\n');
      },
      async (inventory) => {
        const seen: unknown[] = [];
        const verifying = inventory.verify({}, { onProgress: (progress) => seen.push(progress) });
        await assert.rejects(verifying, /the disk is full/);
        assert.deepEqual(seen, [{ share: 0.5, text: 'half' }, { text: 'more' }]);
      },
    );
    await withServer(
      (_request, response) => void response.writeHead(200).end('{"progress":{"text":"half"}}\n'),
      async (inventory) => assert.rejects(inventory.verify({}), /ended before the work did/),
    );
  });

  it('leaves the API when it is told to', async () => {
    const ending = new AbortController();
    await withServer(
      (_request, response) => {
        response.writeHead(200).write('{"progress":{"text":"on"}}\n');
      },
      async (inventory) => {
        const work = { signal: ending.signal, onProgress: () => ending.abort() };
        await assert.rejects(inventory.verify({}, work), { name: 'AbortError' });
      },
    );
  });
});
