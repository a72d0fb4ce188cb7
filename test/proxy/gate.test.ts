import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { parseRanges } from '../../src/net/address-ranges.js';
import { createGate, type GateOptions } from '../../src/proxy/gate.js';

function socketOf(remoteAddress: string): Socket & { destroyed: boolean } {
  const socket = Object.assign(new EventEmitter(), {
    remoteAddress,
    destroyed: false,
    destroy: () => {
      socket.destroyed = true;
      socket.emit('close');
    },
  });
  return socket as unknown as Socket & { destroyed: boolean };
}

function gate(changes: Partial<GateOptions> = {}) {
  return createGate({
    allowClients: parseRanges(['10.0.0.0/8']),
    limits: { connections: { perClient: 2, total: 3 }, turnedAway: { perClient: 1, total: 2 } },
    ...changes,
  });
}

describe('proxy/gate', () => {
  const enter = (door: ReturnType<typeof gate>, address: string) => {
    const socket = socketOf(address);
    door.connected(socket);
    return socket;
  };
  const admit = (door: ReturnType<typeof gate>, socket: Socket) => door.admit(socket.remoteAddress ?? '', socket);

  it('lets a client have so many connections, tells the next one why not, and drops those after it', () => {
    const door = gate();
    const [one, two, told, dropped] = Array.from({ length: 4 }, () => enter(door, '10.0.0.1'));
    assert.ok(one && two && told && dropped);
    admit(door, one);
    admit(door, two);
    assert.throws(() => admit(door, told), { code: 'overloaded', message: /--max-client-connections/ });
    assert.equal(dropped.destroyed, true);
    const other = enter(door, '10.0.0.2');
    admit(door, other);
  });

  it('has room again when a connection has closed', () => {
    const door = gate();
    const first = enter(door, '10.0.0.1');
    enter(door, '10.0.0.1');
    first.destroy();
    admit(door, enter(door, '10.0.0.1'));
  });

  it('lets strangers use up nothing but the few places for those who are turned away', () => {
    const door = gate();
    const strangers = Array.from({ length: 50 }, (_, n) => enter(door, `203.0.113.${n}`));
    assert.equal(strangers.filter(({ destroyed }) => !destroyed).length, 2);
    assert.throws(() => admit(door, strangers[0] as Socket), { code: 'denied' });
    admit(door, enter(door, '10.0.0.1'));
  });

  it('compares the address of a client once, however often it comes, and lets no stranger in by that', () => {
    let asked = 0;
    const ranges = parseRanges(['10.0.0.0/8']);
    const contains = (address: string) => {
      asked += 1;
      return ranges.contains(address);
    };
    const door = gate({ allowClients: { contains } });
    const client = enter(door, '10.0.0.1');
    admit(door, client);
    admit(door, client);
    admit(door, enter(door, '10.0.0.1'));
    assert.equal(asked, 1);
    const stranger = enter(door, '203.0.113.7');
    for (const one of [stranger, enter(door, '203.0.113.8')]) {
      for (let n = 0; n < 2; n += 1) assert.throws(() => admit(door, one), { code: 'denied' });
    }
  });

  it('asks for the password only of those who may come in', async () => {
    const asked: string[] = [];
    const proxyAuth = {
      check: async (_headers: unknown, client: string) => {
        asked.push(client);
        return 'ada';
      },
      close: async () => undefined,
    };
    const door = gate({ proxyAuth });
    assert.equal(await door.authenticate('10.0.0.1', enter(door, '10.0.0.1'), []), 'ada');
    await assert.rejects(door.authenticate('203.0.113.7', enter(door, '203.0.113.7'), []), { code: 'denied' });
    assert.deepEqual(asked, ['10.0.0.1']);
    const open = gate();
    assert.equal(await open.authenticate('10.0.0.1', enter(open, '10.0.0.1'), []), undefined);
  });
});
