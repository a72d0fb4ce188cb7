import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../lab/command.js';
import { session } from '../session.js';
import type { Where } from './without-names.js';

/** Where .ci/trixie has put the Debian 13 tree. */
const root = process.env['LAB_TRIXIE'] ?? '/var/cache/entrepot/trixie';

/**
 * Opens the Debian 13 tree, which has the current generation of clients, within the lab: with the lab's trust store
 * and folder, and a hosts file that knows no registry. The mounts end with the lab.
 */
export async function openTrixie(): Promise<Where> {
  await access(root).catch(() => {
    throw new Error(`${root} is missing: make it with .ci/trixie ${root}`);
  });
  const { folder } = session().lab;
  const mounts = [
    // Container programs want the root to be a mount point.
    ['--bind', root, root],
    ['-t', 'proc', 'proc', join(root, 'proc')],
    ['--rbind', '/dev', join(root, 'dev')],
    ['-t', 'tmpfs', 'tmpfs', join(root, 'tmp')],
    ['--bind', '/etc/ssl/certs', join(root, 'etc/ssl/certs')],
    ['--bind', join(folder, 'localhost-only'), join(root, 'etc/hosts')],
  ];
  for (const mount of mounts) await run('mount', mount);
  await mkdir(join(root, folder), { recursive: true });
  await run('mount', ['--bind', folder, join(root, folder)]);
  return (program, args) => ({ program: 'chroot', args: [root, program, ...args] });
}
