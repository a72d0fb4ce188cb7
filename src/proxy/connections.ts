import type { Duplex } from 'node:stream';

/** All open client connections, and how much is under way on each: a server's own `close` forgets half of them. */
export interface Connections {
  add(socket: Duplex): void;
  /** Forgets a socket that lives on inside another one. */
  forget(socket: Duplex): void;
  /** Marks something as under way; the function that it gives ends that, once. */
  begin(socket: Duplex): () => void;
  isBusy(socket: Duplex): boolean;
  readonly busy: number;
  /** From now on closes each connection as soon as nothing is under way on it. */
  drain(): void;
  destroyAll(): void;
}

export function createConnections(): Connections {
  const underWay = new Map<Duplex, number>();
  let draining = false;

  function settle(socket: Duplex): void {
    if (draining && underWay.get(socket) === 0) closeSoon(socket);
  }

  return {
    add: (socket) => {
      underWay.set(socket, 0);
      socket.once('close', () => underWay.delete(socket));
      settle(socket);
    },
    forget: (socket) => {
      underWay.delete(socket);
    },
    begin: (socket) => {
      const count = underWay.get(socket);
      if (count === undefined) return () => undefined;
      underWay.set(socket, count + 1);
      let ended = false;
      return () => {
        const now = underWay.get(socket);
        if (ended || now === undefined) return;
        ended = true;
        underWay.set(socket, now - 1);
        settle(socket);
      };
    },
    isBusy: (socket) => (underWay.get(socket) ?? 0) > 0,
    get busy() {
      return [...underWay.values()].filter((count) => count > 0).length;
    },
    drain: () => {
      draining = true;
      for (const socket of underWay.keys()) settle(socket);
    },
    destroyAll: () => {
      for (const socket of underWay.keys()) socket.destroy();
    },
  };
}

/** Closes after what was written has left: the last bytes of an answer may still be on their way. */
function closeSoon(socket: Duplex): void {
  if (socket.writableFinished || socket.destroyed) socket.destroy();
  else socket.end(() => socket.destroy());
}
