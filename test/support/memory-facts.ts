import type { FactStore } from '../../src/cache/contract.js';

/** Facts in memory; values go through JSON, as they would on disk. */
export function createMemoryFacts(): FactStore {
  const held = new Map<string, string>();
  return {
    async get<T>(kind: string, key: string): Promise<T | undefined> {
      const json = held.get(`${kind}:${key}`);
      return json === undefined ? undefined : (JSON.parse(json) as T);
    },
    async set(kind, key, value) {
      held.set(`${kind}:${key}`, JSON.stringify(value));
    },
    async delete(kind, key) {
      held.delete(`${kind}:${key}`);
    },
    async page(kind, { prefix = '', after = '', limit }) {
      const first = `${kind}:${prefix}`;
      return [...held]
        .filter(([name]) => name.startsWith(first) && (after === '' || name > `${kind}:${after}`))
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limit)
        .map(([name, json]) => ({ key: name.slice(kind.length + 1), value: JSON.parse(json) as unknown }));
    },
  };
}
