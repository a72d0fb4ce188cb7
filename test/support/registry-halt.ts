import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';

/** How a server is gone: connections are refused, or taken and never answered, as where packets get lost. */
export type Halt = 'refuse' | 'silent';

/** Takes servers out of service, on the ports that they have, and brings them back. */
export interface Halting {
  halt(servers: readonly Server[], how: Halt): Promise<void>;
  /** Brings all back. */
  resume(): Promise<void>;
  /** For good. */
  close(): Promise<void>;
}

/** `connections` are those that are open at the servers: they break, or fall silent. */
export function createHalting(connections: ReadonlySet<Socket>): Halting {
  const halted = new Map<Server, { readonly place: AddressInfo; readonly standIn: Server | undefined }>();
  const swallowed = new Set<Socket>();

  async function halt(servers: readonly Server[], how: Halt): Promise<void> {
    for (const server of servers) {
      const place = server.address() as AddressInfo;
      const closing = once(server, 'close');
      server.close();
      for (const socket of connections) if (socket.localPort === place.port) socket.destroy();
      await closing;
      const standIn = how === 'silent' ? net.createServer(swallow) : undefined;
      if (standIn) await listen(standIn, place);
      halted.set(server, { place, standIn });
    }
  }

  function swallow(socket: Socket): void {
    swallowed.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => swallowed.delete(socket));
    socket.resume();
  }

  async function removeStandIns(): Promise<void> {
    for (const { standIn } of halted.values()) {
      if (!standIn) continue;
      const closing = once(standIn, 'close');
      standIn.close();
      for (const socket of swallowed) socket.destroy();
      await closing;
    }
  }

  return {
    halt,
    async resume() {
      await removeStandIns();
      for (const [server, { place }] of halted) await listen(server, place);
      halted.clear();
    },
    async close() {
      await removeStandIns();
      halted.clear();
    },
  };
}

async function listen(server: Server, { port, address }: AddressInfo): Promise<void> {
  server.listen(port, address);
  await once(server, 'listening');
}
