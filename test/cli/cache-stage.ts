import { run } from '../../src/cli/run.js';
import { type AdminStage, createAdminStage } from '../admin/admin-stage.js';
import { createFakeIo, type FakeIo } from './fake-io.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** Commands against the admin API over a store in memory. */
export interface CacheStage extends AdminStage {
  run(...argv: string[]): Promise<Ran>;
}

export async function createCacheStage(): Promise<CacheStage> {
  const stage = await createAdminStage();
  const env = { HOME: '/nowhere', ENTREPOT_ADMIN_TOKEN: stage.token };
  return Object.assign(stage, {
    run: async (...argv: string[]) => runCommand([...argv, '--admin', stage.url.href], createFakeIo({ env })),
  });
}

/** Runs a command line and gives what it wrote. */
export async function runCommand(argv: readonly string[], io: FakeIo): Promise<Ran> {
  const code = await run(argv, io, 100);
  return { code, ...io.written };
}
