import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import { type Daemon, startDaemon } from '../../lab/daemon.js';
import type { PlatformImage } from '../../lab/images.js';
import type { Account, Client } from './client.js';
import { imageService } from './cri.js';
import { assertHolds, digestOfOutput } from './digests.js';
import { withoutNames } from './without-names.js';

interface Containerd {
  readonly socket: string;
  readonly daemon: Daemon;
  /** Calls ctr in a namespace, with the proxy in its environment: ctr resolves and fetches by itself. */
  ctr(namespace: string, ...args: string[]): Promise<string>;
  check(namespace: string, image: PlatformImage): Promise<void>;
}

/** Starts containerd with the native snapshotter, which works on any file system. */
async function startContainerd(folder: string, proxyUrl: string): Promise<Containerd> {
  await mkdir(join(folder, 'certs.d'), { recursive: true });
  const socket = join(folder, 'containerd.sock');
  const others = ['btrfs', 'zfs', 'devmapper', 'aufs'].map((name) => `"io.containerd.snapshotter.v1.${name}"`);
  const configuration = `
    version = 2
    root = "${folder}/root"
    state = "${folder}/state"
    disabled_plugins = [${others.join(', ')}]
    [grpc]
      address = "${socket}"
    [plugins."io.containerd.grpc.v1.cri"]
      disable_tcp_service = true
      containerd.snapshotter = "native"
      registry.config_path = "${folder}/certs.d"
  `;
  const file = join(folder, 'config.toml');
  await writeFile(file, configuration);
  const env = { HTTPS_PROXY: proxyUrl };

  function ctr(namespace: string, ...args: string[]): Promise<string> {
    const command = withoutNames('ctr', ['-a', socket, '-n', namespace, ...args]);
    return run(command.program, command.args, { env });
  }

  async function isReady(): Promise<boolean> {
    try {
      await ctr('default', 'version');
      return true;
    } catch {
      return false;
    }
  }

  async function check(namespace: string, image: PlatformImage): Promise<void> {
    const expected = [image.manifest, image.config, ...image.layers];
    const get = ['-a', socket, '-n', namespace, 'content', 'get'];
    const held = await Promise.all(expected.map((digest) => digestOfOutput('ctr', [...get, digest])));
    assertHolds(new Set(held), expected);
  }

  const command = withoutNames('containerd', ['-c', file]);
  const daemon = await startDaemon(command.program, command.args, {
    logFile: join(folder, 'containerd.log'),
    env,
    ready: isReady,
  });
  return { socket, daemon, ctr, check };
}

/** `ctr images pull`. */
export async function startCtr(folder: string, proxyUrl: string): Promise<Client> {
  const containerd = await startContainerd(folder, proxyUrl);
  return {
    name: 'ctr',
    async pull(reference, account) {
      const credentials = account ? ['--user', `${account.username}:${account.password}`] : [];
      await containerd.ctr('default', 'images', 'pull', '--snapshotter', 'native', ...credentials, reference);
    },
    async forget(reference) {
      await containerd.ctr('default', 'images', 'rm', '--sync', reference);
    },
    async check(_reference, image) {
      await containerd.check('default', image);
    },
    async stop() {
      await containerd.daemon.stop();
    },
  };
}

/** A pull through containerd's CRI service, as a kubelet asks for it. */
export async function startCri(folder: string, proxyUrl: string): Promise<Client> {
  const containerd = await startContainerd(folder, proxyUrl);
  const images = imageService(containerd.socket);
  return {
    name: 'CRI',
    pull: (reference: string, account?: Account) => images.pull(reference, account),
    forget: (reference: string) => images.remove(reference),
    check: (_reference: string, image: PlatformImage) => containerd.check('k8s.io', image),
    async stop() {
      images.close();
      await containerd.daemon.stop();
    },
  };
}
