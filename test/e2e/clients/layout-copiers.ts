import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import type { Account, Client } from './client.js';
import { assertHolds, digestsIn } from './digests.js';
import type { Where } from './without-names.js';

interface Copier {
  readonly name: string;
  /** The arguments that copy an image into an OCI layout. */
  copy(reference: string, folder: string): string[];
  /** The arguments that log in at a registry. */
  login(registry: string, account: Account): string[];
}

const crane: Copier = {
  name: 'crane',
  copy: (reference, folder) => ['pull', '--format=oci', '--platform=linux/amd64', reference, folder],
  login: (registry, { username, password }) => ['auth', 'login', registry, '-u', username, '-p', password],
};

const oras: Copier = {
  name: 'oras',
  copy: (reference, folder) => ['copy', '--platform=linux/amd64', reference, '--to-oci-layout', `${folder}:v1`],
  login: (registry, { username, password }) => ['login', registry, '-u', username, '-p', password],
};

/** crane and oras: they have no storage of their own and copy an image into an OCI layout. */
async function start(copier: Copier, folder: string, proxyUrl: string, where: Where): Promise<Client> {
  await mkdir(folder, { recursive: true });
  const layoutOf = (reference: string): string => join(folder, reference.replaceAll(/[/:]/g, '_'));

  async function call(account: Account | undefined, args: readonly string[]): Promise<void> {
    const configuration = join(folder, account ? `config-${account.username}` : 'config-nobody');
    await mkdir(configuration, { recursive: true });
    const command = where(copier.name, args);
    await run(command.program, command.args, { env: { HTTPS_PROXY: proxyUrl, DOCKER_CONFIG: configuration } });
  }

  return {
    name: copier.name,
    async pull(reference, account) {
      if (account) await call(account, copier.login(reference.slice(0, reference.indexOf('/')), account));
      await call(account, copier.copy(reference, layoutOf(reference)));
    },
    async forget(reference) {
      await rm(layoutOf(reference), { recursive: true, force: true });
    },
    async check(reference, image) {
      assertHolds(await digestsIn(layoutOf(reference)), [image.manifest, image.config, ...image.layers]);
    },
    async stop() {},
  };
}

export function startCrane(folder: string, proxyUrl: string, where: Where): Promise<Client> {
  return start(crane, folder, proxyUrl, where);
}

export function startOras(folder: string, proxyUrl: string, where: Where): Promise<Client> {
  return start(oras, folder, proxyUrl, where);
}
