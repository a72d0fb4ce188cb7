import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepts, startDaemon } from '../lab/daemon.js';
import { freePort } from './ports.js';

/** A line to the registry that is slower than this machine's own memory. */
export interface Uplink {
  readonly bytesPerSecond: number;
  /** There and back. */
  readonly roundTripMs: number;
}

export interface RunningUplink {
  /** Stands for the registry's port. */
  readonly port: number;
  stop(): Promise<void>;
}

const RELAY = fileURLToPath(new URL('uplink-relay.ts', import.meta.url));

/** Starts a line to a port of this machine, as a process of its own, so that it takes no time of the client's. */
export async function startUplink(folder: string, target: number, uplink: Uplink): Promise<RunningUplink> {
  const port = await freePort();
  const line = [port, target, uplink.bytesPerSecond, uplink.roundTripMs / 2].map(String);
  const daemon = await startDaemon(process.execPath, ['--import', 'tsx', RELAY, ...line], {
    logFile: join(folder, 'uplink.log'),
    ready: () => accepts('127.0.0.1', port),
  });
  return { port, stop: async () => void (await daemon.stop()) };
}
