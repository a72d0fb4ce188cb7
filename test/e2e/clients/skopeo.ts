import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import type { Account, Client } from './client.js';
import { assertHolds, digestsIn } from './digests.js';
import { type Where, withoutNames } from './without-names.js';

function folderFor(folder: string, reference: string): string {
  return join(folder, reference.replaceAll(/[/:]/g, '_'));
}

/** skopeo, copying into a plain folder. It has no storage of its own, so every copy asks for everything. */
export async function startSkopeo(folder: string, proxyUrl: string, where: Where = withoutNames): Promise<Client> {
  await mkdir(folder, { recursive: true });
  return {
    name: 'skopeo',
    async pull(reference, account?: Account) {
      const credentials = account ? ['--src-creds', `${account.username}:${account.password}`] : [];
      const args = ['copy', '-q', ...credentials, `docker://${reference}`, `dir:${folderFor(folder, reference)}`];
      const command = where('skopeo', args);
      await run(command.program, command.args, { env: { HTTPS_PROXY: proxyUrl } });
    },
    async forget(reference) {
      await rm(folderFor(folder, reference), { recursive: true, force: true });
    },
    async check(reference, image) {
      const held = await digestsIn(folderFor(folder, reference));
      assertHolds(held, [image.config, ...image.layers]);
    },
    async stop() {},
  };
}
