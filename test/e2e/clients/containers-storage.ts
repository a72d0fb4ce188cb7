import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import type { Client } from './client.js';
import { assertHolds, digestsInArchive } from './digests.js';
import { type Where, withoutNames } from './without-names.js';

interface Program {
  readonly name: string;
  readonly options: readonly string[];
  /** The command that pulls even where the tag is already known. */
  readonly pull: readonly string[];
  /** The command that prints an image's id, which is its configuration's digest. */
  readonly idOf: readonly string[];
}

const podman: Program = {
  name: 'podman',
  options: ['--events-backend=file', '--cgroup-manager=cgroupfs'],
  pull: ['pull'],
  idOf: ['image', 'inspect', '--format', '{{.Id}}'],
};

const buildah: Program = {
  name: 'buildah',
  options: [],
  pull: ['pull', '--policy', 'always'],
  idOf: ['inspect', '--type', 'image', '--format', '{{.FromImageID}}'],
};

/** podman and buildah share a library and its storage; the vfs driver works on any file system. */
async function start(program: Program, folder: string, proxyUrl: string, where: Where): Promise<Client> {
  const places = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
  await mkdir(folder, { recursive: true });

  function call(...args: string[]): Promise<string> {
    const command = where(program.name, [...places, ...program.options, ...args]);
    return run(command.program, command.args, { env: { HTTPS_PROXY: proxyUrl } });
  }

  return {
    name: program.name,
    async pull(reference, account) {
      const credentials = account ? ['--creds', `${account.username}:${account.password}`] : [];
      await call(...program.pull, '-q', ...credentials, reference);
    },
    async forget(reference) {
      await call('rmi', reference);
    },
    async check(reference, image) {
      const id = await call(...program.idOf, reference);
      assert.equal(`sha256:${id.trim()}`, image.config);
      const archive = join(folder, 'saved.tar');
      await call('push', '-q', reference, `docker-archive:${archive}`);
      assertHolds(await digestsInArchive(archive), image.diffIds);
      await rm(archive);
    },
    async stop() {},
  };
}

export function startPodman(folder: string, proxyUrl: string, where: Where = withoutNames): Promise<Client> {
  return start(podman, folder, proxyUrl, where);
}

export function startBuildah(folder: string, proxyUrl: string, where: Where = withoutNames): Promise<Client> {
  return start(buildah, folder, proxyUrl, where);
}
