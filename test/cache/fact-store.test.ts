import assert from 'node:assert/strict';
import type { Index } from '../../src/cache/contract.js';
import { createFactStore } from '../../src/cache/fact-store.js';
import type { FactsLog } from '../../src/cache/facts-log.js';
import { createFaultBoard } from '../../src/cache/fault-board.js';

function memoryIndex(rows: Map<string, unknown>, beforeRead?: () => Promise<void>): Index {
  return {
    needsRebuild: false,
    async get<T>(kind: string, key: string) {
      const value = rows.get(`${kind}:${key}`) as T | undefined;
      await beforeRead?.();
      return value;
    },
    set: async (kind, key, value) => void rows.set(`${kind}:${key}`, value),
    delete: async (kind, key) => void rows.delete(`${kind}:${key}`),
    page: async () => [],
    takeTotals: async () => undefined,
    keepTotals: async () => {},
    markRebuilt: async () => {},
    close: async () => {},
  };
}

describe('cache/fact-store', () => {
  const events = { fault: () => {}, quarantined: () => {}, rebuilt: () => {} };
  let lines: string[];
  let broken: boolean;
  const log: Pick<FactsLog, 'append'> = {
    async append({ kind, key, value }) {
      if (broken) throw Object.assign(new Error('x'), { code: 'ENOSPC' });
      lines.push(`${kind}:${key}=${JSON.stringify(value)}`);
    },
  };

  beforeEach(() => {
    lines = [];
    broken = false;
  });

  it('writes log and index, and answers from memory', async () => {
    const rows = new Map<string, unknown>();
    const facts = createFactStore(log, memoryIndex(rows), createFaultBoard(events));
    await facts.set('tag', 'a', { digest: 'x' });
    assert.deepEqual(lines, ['tag:a={"digest":"x"}']);
    assert.deepEqual(rows.get('tag:a'), { digest: 'x' });
    rows.clear();
    assert.deepEqual(await facts.get('tag', 'a'), { digest: 'x' });
    assert.equal(await facts.get('link', 'a'), undefined);
    await facts.delete('tag', 'a');
    assert.equal(await facts.get('tag', 'a'), undefined);
    assert.equal(lines[1], 'tag:a=undefined');
  });

  it('tells of every write before the index has it', async () => {
    const rows = new Map<string, unknown>();
    const told: string[] = [];
    const facts = createFactStore(log, memoryIndex(rows), createFaultBoard(events), (kind, key) => {
      told.push(`${kind}:${key} ${rows.size}`);
    });
    await facts.set('tag', 'a', 1);
    await facts.delete('link', 'b');
    assert.deepEqual(told, ['tag:a 0', 'link:b 1']);
  });

  it('finds in the index what memory does not hold', async () => {
    const facts = createFactStore(log, memoryIndex(new Map([['host:h', true]])), createFaultBoard(events));
    assert.equal(await facts.get('host', 'h'), true);
  });

  it('prefers a fact that was set while the index was read', async () => {
    const board = createFaultBoard(events);
    const rows = new Map<string, unknown>([['tag:a', 'old']]);
    const facts = createFactStore(
      log,
      memoryIndex(rows, () => facts.set('tag', 'a', 'new')),
      board,
    );
    assert.equal(await facts.get('tag', 'a'), 'new');
    assert.equal(await facts.get('tag', 'a'), 'new');
  });

  it('swallows a fault of the log, remembers the fact, and says so until it works again', async () => {
    const board = createFaultBoard(events);
    const facts = createFactStore(log, memoryIndex(new Map()), board);
    broken = true;
    await facts.set('link', 'a', 1);
    assert.equal(board.current, 'cannot write to facts.log: ENOSPC');
    assert.equal(await facts.get('link', 'a'), 1);
    broken = false;
    await facts.set('link', 'b', 1);
    assert.equal(board.current, undefined);
  });
});
