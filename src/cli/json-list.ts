/** Writes a JSON array of any length, a line for each item, as the items come. */
export interface JsonList {
  add(items: readonly unknown[]): void;
  end(): void;
}

export function beginJsonList(out: (text: string) => void): JsonList {
  let isEmpty = true;
  return {
    add(items) {
      for (const item of items) {
        out(`${isEmpty ? '[' : ','}\n${JSON.stringify(item)}`);
        isEmpty = false;
      }
    },
    end: () => out(isEmpty ? '[]\n' : '\n]\n'),
  };
}
