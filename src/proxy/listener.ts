import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnectDoor } from './connect-door.js';
import type { CreateEngine, DoorOptions, Engine } from './contract.js';
import { createEngine } from './engine.js';
import { createGate } from './gate.js';
import { createRequestDoor } from './request-door.js';

export interface ProxyListenerOptions extends DoorOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Stands in for the engine in tests. */
  readonly createEngine?: CreateEngine;
  readonly headersTimeoutMs?: number;
  readonly keepAliveTimeoutMs?: number;
}

/** The first door: a forward proxy on one port. */
export interface ProxyListener {
  /** Rejects with the error of the socket, such as EADDRINUSE. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /**
   * Stops: takes nothing new, closes what rests, lets exchanges and busy tunnels go on for `drainMs`, then breaks what
   * is left. Nothing is open afterwards. Safe to call more than once.
   */
  close(options: { readonly drainMs: number }): Promise<void>;
  /** Blind tunnels and upgraded connections that are open. */
  readonly tunnels: number;
}

const HEADERS_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
const MAX_CHECK_INTERVAL_MS = 5_000;
const DRAIN_STEP_MS = 25;
// While draining, a tunnel that rests for so long is taken to have nothing more to say.
const RESTING_TUNNEL_MS = 1_000;

export function createProxyListener(options: ProxyListenerOptions): ProxyListener {
  const newId = createIds();
  let closing = false;
  const gate = createGate(options);
  const connectDoor = createConnectDoor(options, gate, () => engine, newId);
  const requestDoor = createRequestDoor(options, gate, () => closing, newId);
  const headersTimeoutMs = options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS;
  const build = options.createEngine ?? createEngine;
  const engine: Engine = build(
    {
      host: options.host,
      port: options.port,
      headersTimeoutMs,
      keepAliveTimeoutMs: options.keepAliveTimeoutMs ?? KEEP_ALIVE_TIMEOUT_MS,
      checkIntervalMs: Math.min(MAX_CHECK_INTERVAL_MS, headersTimeoutMs),
    },
    {
      ...requestDoor.handlers,
      connection: (socket) => gate.connected(socket),
      connect: (...args) => connectDoor.connect(...args),
    },
  );

  return {
    listen: async () => {
      const { address, port } = await engine.listen();
      return { host: address, port };
    },
    close: async ({ drainMs }) => {
      closing = true;
      const until = performance.now() + drainMs;
      engine.drain();
      while (engine.busy > 0 && performance.now() < until) {
        connectDoor.closeIdleTunnels(RESTING_TUNNEL_MS);
        requestDoor.closeIdleTunnels(RESTING_TUNNEL_MS);
        await delay(DRAIN_STEP_MS);
      }
      connectDoor.close();
      await engine.close();
    },
    get tunnels() {
      return connectDoor.tunnels + requestDoor.tunnels;
    },
  };
}

/** Request ids: unique within the process by their number, across processes by chance. */
function createIds(): () => string {
  const prefix = randomBytes(4).toString('hex');
  let last = 0;
  return () => {
    last += 1;
    return `${prefix}-${last.toString(36)}`;
  };
}
