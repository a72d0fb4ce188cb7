/** Runs a task when it is its turn. */
export type Gate = <T>(task: () => Promise<T>) => Promise<T>;

/** Lets so many tasks run side by side; further ones wait, in their order. */
export function createGate(places: number): Gate {
  const waiting: (() => void)[] = [];
  let free = places;
  return async (task) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      // A place is handed on rather than given back, so that nobody overtakes.
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
