import assert from 'node:assert/strict';
import { type ClientWrites, createClientWrites } from '../../src/proxy/client-writes.js';

const KIB = 1024;

describe('proxy/client-writes', () => {
  it('writes 256 KiB at once for some clients', () => {
    for (const exchanges of [0, 1, 8, 64]) assert.equal(createClientWrites(() => exchanges).bytesAtOnce, 256 * KIB);
  });

  it('writes less for many, so that what waits for them stays within 16 MiB', () => {
    for (const exchanges of [65, 100, 256]) {
      const { bytesAtOnce } = createClientWrites(() => exchanges);
      assert.ok(bytesAtOnce * exchanges <= 16 * 1024 * KIB);
      assert.equal(bytesAtOnce % (64 * KIB), 0);
    }
  });

  it('writes 64 KiB at least', () => {
    assert.equal(createClientWrites(() => 1000).bytesAtOnce, 64 * KIB);
  });

  it('gives clients that take nothing no share, until they move again', async () => {
    const writes = createClientWrites(() => 201, 1);
    const open = Array.from({ length: 200 }, () => writes.begin({ destroy: () => {} }));
    await until(writes, 256 * KIB);
    for (const write of open) {
      writes.end(write);
      writes.end(write);
    }
    assert.equal(writes.bytesAtOnce, 64 * KIB);
  });

  it('writes little to everybody where very many take nothing', async () => {
    const writes = createClientWrites(() => 301, 1);
    const open = Array.from({ length: 300 }, () => writes.begin({ destroy: () => {} }));
    await new Promise<void>((destroy) => open.push(writes.begin({ destroy })));
    assert.equal(writes.bytesAtOnce, 64 * KIB);
    for (const write of open) writes.end(write);
  });

  it('tells once of a write that does not end, and never of one that has ended', async () => {
    const writes = createClientWrites(() => 1, 1);
    let told = 0;
    const never = () => {
      throw new Error('it has ended');
    };
    const ended = [writes.begin({ destroy: never }), writes.begin({ destroy: never })];
    await new Promise<void>((resolve) => {
      const write = writes.begin({
        destroy: () => {
          told += 1;
          resolve();
        },
      });
      for (const one of ended) writes.end(one);
      // The end of this one, after all the ticks of the other, shows that nothing more was told.
      writes.begin({ destroy: () => writes.end(write) });
    });
    assert.equal(told, 1);
  });
});

async function until(writes: ClientWrites, bytes: number): Promise<void> {
  while (writes.bytesAtOnce !== bytes) await new Promise((resolve) => setTimeout(resolve, 1));
}
