import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A line between two ports of this machine: `node --import tsx uplink-relay.ts LISTEN TARGET BYTES_PER_SECOND ONE_WAY_MS`.
 * What comes back from the target takes its turn on one line for all connections; the other way is only as late.
 */
const [listen = 0, target = 0, bytesPerSecond = 0, oneWayMs = 0] = process.argv.slice(2).map(Number);
/** Handed on at once, so that the line is not slowed down by timers. */
const BURST_MS = 4;
/** When the line has sent what was given to it. */
let freeAt = 0;

async function carry(from: Socket, to: Socket, isLine: boolean): Promise<void> {
  // Whatever is under way on the line has left its sender; more than a window's worth never is.
  let last: Promise<void> = Promise.resolve();
  for await (const bytes of from as AsyncIterable<Buffer>) {
    const now = performance.now();
    if (isLine) freeAt = Math.max(freeAt, now) + (bytes.length * 1000) / bytesPerSecond;
    const dueAt = (isLine ? freeAt : now) + oneWayMs;
    const before = last;
    last = (async () => {
      const waitMs = dueAt - performance.now();
      if (waitMs > 1) await sleep(waitMs);
      await before;
      if (!to.destroyed) to.write(bytes);
    })();
    const aheadMs = freeAt - now;
    if (isLine && aheadMs > BURST_MS + oneWayMs) await sleep(aheadMs - oneWayMs);
  }
  await last;
  to.end();
}

const server = createServer({ noDelay: true }, (near) => {
  const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on('error', () => other.destroy());
    carry(one, other, one === far).catch(() => other.destroy());
  }
});
server.listen(listen, '127.0.0.1');
process.once('SIGTERM', () => process.exit());
