/** The durable rows that `access` needs; `cache` keeps them. A row that cannot be read counts as not there. */
export interface FactRows {
  get<T>(kind: 'link' | 'public', key: string): Promise<T | undefined>;
  set(kind: 'link' | 'public', key: string, value: unknown): Promise<void>;
  delete(kind: 'link' | 'public', key: string): Promise<void>;
}
