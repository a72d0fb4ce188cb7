import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import { startDaemon } from '../../lab/daemon.js';
import type { Account, Client } from './client.js';
import { assertHolds, digestsInArchive } from './digests.js';
import { type Where, withoutNames } from './without-names.js';

/** dockerd, with what only Docker has. */
export interface Dockerd extends Client {
  /** `docker login`, remembered for pulls and pushes with this account. */
  login(registry: string, account: Account): Promise<void>;
  /** Writes an account of Docker Hub down as a login does, without asking whether it is right. */
  remember(account: Account): Promise<void>;
  /** Gives an image that was pulled another name and pushes it there. */
  push(reference: string, target: string, account?: Account): Promise<void>;
}

/** The client's name for Docker Hub at login. */
function registryOf(reference: string): string {
  const host = reference.slice(0, reference.indexOf('/'));
  return host === 'docker.io' ? '' : host;
}

/** Starts dockerd without networks for containers, with the vfs driver, which works on any file system. */
export async function startDockerd(folder: string, proxyUrl: string, where: Where = withoutNames): Promise<Dockerd> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'daemon.json'), '{}');
  const socket = `unix://${folder}/docker.sock`;

  function configurationOf(account: Account | undefined): string {
    return join(folder, account ? `config-${account.username}-${account.password}` : 'config-nobody');
  }

  function docker(account: Account | undefined, ...args: string[]): Promise<string> {
    const configuration = configurationOf(account);
    // Named in full: a machine may have something else of that name earlier in its path.
    return run('/usr/bin/docker', ['--config', configuration, ...args], { env: { DOCKER_HOST: socket } });
  }

  async function isReady(): Promise<boolean> {
    try {
      await docker(undefined, 'version');
      return true;
    } catch {
      return false;
    }
  }

  const places = ['--config-file', `${folder}/daemon.json`, '-H', socket, '--data-root', `${folder}/root`];
  const state = ['--exec-root', `${folder}/exec`, '--pidfile', `${folder}/pid`, '--cgroup-parent=/'];
  const plain = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--storage-driver=vfs'];
  const command = where('/usr/sbin/dockerd', [...places, ...state, ...plain]);
  const daemon = await startDaemon(command.program, command.args, {
    logFile: join(folder, 'dockerd.log'),
    env: { HTTPS_PROXY: proxyUrl },
    ready: isReady,
  });

  const loggedIn = new Set<string>();

  async function login(registry: string, account: Account): Promise<void> {
    const server = registry === '' ? [] : [registry];
    await docker(account, 'login', '-u', account.username, '-p', account.password, ...server);
  }

  async function loginOnce(reference: string, account: Account): Promise<void> {
    const registry = registryOf(reference);
    const key = JSON.stringify([registry, account]);
    if (!loggedIn.has(key)) await login(registry, account);
    loggedIn.add(key);
  }

  async function remember(account: Account): Promise<void> {
    const auth = Buffer.from(`${account.username}:${account.password}`).toString('base64');
    await mkdir(configurationOf(account), { recursive: true });
    const auths = { 'https://index.docker.io/v1/': { auth } };
    await writeFile(join(configurationOf(account), 'config.json'), JSON.stringify({ auths }));
    loggedIn.add(JSON.stringify(['', account]));
  }

  return {
    name: 'dockerd',
    login,
    remember,
    async push(reference, target, account) {
      if (account) await loginOnce(target, account);
      await docker(undefined, 'tag', reference, target);
      await docker(account, 'push', '-q', target);
    },
    async pull(reference, account) {
      if (account) await loginOnce(reference, account);
      await docker(account, 'pull', '-q', reference);
    },
    async forget(reference) {
      await docker(undefined, 'rmi', reference);
    },
    async check(reference, image) {
      const id = await docker(undefined, 'image', 'inspect', '--format', '{{.Id}}', reference);
      assert.equal(id.trim(), image.config);
      const archive = join(folder, 'saved.tar');
      await docker(undefined, 'save', '-o', archive, reference);
      assertHolds(await digestsInArchive(archive), image.diffIds);
      await rm(archive);
    },
    async stop() {
      await daemon.stop();
    },
  };
}
