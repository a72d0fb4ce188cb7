import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { trust } from '../lab/certificates.js';
import { run } from '../lab/command.js';
import { type Lab, startLab } from '../lab/lab.js';

/** What all tests of one run share: starting the lab takes longer than most of them. */
export interface Session {
  readonly lab: Lab;
  /** The folder with the proxy's own CA, which stands in the trust store. */
  readonly caFolder: string;
  readonly caFile: string;
}

const current: { session?: Session } = {};

/** Makes the proxy's CA and trusts it, as an administrator does once on a node. */
async function makeCa(lab: Lab): Promise<Session> {
  const caFolder = join(lab.folder, 'ca');
  const caFile = join(lab.folder, 'entrepot.crt');
  await run('node', ['dist/main.js', 'ca', 'init', '--ca-dir', caFolder]);
  await writeFile(caFile, await run('node', ['dist/main.js', 'ca', 'export', '--ca-dir', caFolder]));
  await trust(caFile);
  return { lab, caFolder, caFile };
}

export async function mochaGlobalSetup(): Promise<void> {
  const lab = await startLab();
  try {
    current.session = await makeCa(lab);
  } catch (error) {
    // mocha ends by itself only when nothing runs any more.
    await lab.stop();
    throw error;
  }
}

export async function mochaGlobalTeardown(): Promise<void> {
  await current.session?.lab.stop();
}

export function session(): Session {
  if (current.session === undefined) throw new Error('the lab has not been started');
  return current.session;
}
