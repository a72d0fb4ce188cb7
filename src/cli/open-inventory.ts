import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { StoreEvents } from '../cache/contract.js';
import { type Config, loadConfig } from '../config/load.js';
import { ConfigError } from '../errors.js';
import type { InventoryOperations } from '../inventory/contract.js';
import { formatAuthority } from '../net/authority.js';
import { parseImagePattern } from '../oci/image-pattern.js';
import { createRemoteInventory, UnreachableError } from './admin-client.js';
import type { CommandArguments, CommandFlag, CommandIo } from './command.js';

/** The flag of every command that may speak to a running proxy. */
export const ADMIN_FLAG: CommandFlag = {
  name: 'admin',
  metavar: 'URL',
  help: 'admin API of a running proxy (default: that of --admin-listen; the folder itself where no proxy uses it)',
};

const ANY_ADDRESS: Readonly<Record<string, string>> = { '::': '::1', '0.0.0.0': '127.0.0.1' };

/**
 * Runs `task` on the store: through the admin API where `--admin` names one or a proxy uses the folder, else on the
 * folder itself, which belongs to this process meanwhile.
 */
export async function withInventory<T>(
  { flags, own = {} }: CommandArguments,
  io: CommandIo,
  task: (inventory: InventoryOperations) => Promise<T>,
): Promise<T> {
  const config = loadConfig({ ...io, flags });
  const { admin } = own;
  if (typeof admin === 'string') return task(await remote(config, parseUrl(admin)));
  const isStore = await exists(path.join(config.dataDir, 'VERSION'));
  const isHeld = await exists(path.join(config.dataDir, 'lock'));
  if (isStore && !isHeld) return onFolder(config, io, task);
  const reached = await tryRemote(config, isStore, task);
  if ('value' in reached) return reached.value;
  const name = 'name it with --admin URL';
  if (!isStore)
    throw new Error(`${config.dataDir} holds no store, and ${reached.why}; ${name}, or the folder with --data-dir`);
  // What holds the folder may have died without giving it back; then it opens.
  return onFolder(config, io, task, `${reached.why}; ${name}`);
}

async function tryRemote<T>(
  config: Config,
  isStore: boolean,
  task: (inventory: InventoryOperations) => Promise<T>,
): Promise<{ readonly value: T } | { readonly why: string }> {
  if (config.adminListen === undefined) return { why: 'its admin API is off (--admin-listen)' };
  const { host, port } = config.adminListen;
  const url = new URL(`http://${formatAuthority(ANY_ADDRESS[host] ?? host, port)}`);
  // Without a store there is no token to read, and nobody to ask if there is none in the environment.
  if (!isStore && config.adminToken === undefined) return { why: `there is no token for a proxy elsewhere` };
  try {
    return { value: await task(await remote(config, url)) };
  } catch (error) {
    if (error instanceof UnreachableError) return { why: error.message };
    throw error;
  }
}

async function remote(config: Config, url: URL): Promise<InventoryOperations> {
  return createRemoteInventory({ url, token: config.adminToken ?? (await readToken(config.dataDir)) });
}

async function readToken(folder: string): Promise<string> {
  const file = path.join(folder, 'admin.token');
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Error(
      `The admin token cannot be read from ${file} (${code}); give the proxy’s --data-dir, or set ENTREPOT_ADMIN_TOKEN.`,
      { cause: error },
    );
  }
}

async function onFolder<T>(
  { dataDir, pins }: Config,
  io: CommandIo,
  task: (inventory: InventoryOperations) => Promise<T>,
  otherwise = '',
): Promise<T> {
  const events: StoreEvents = {
    fault: ({ message }) => io.error(`entrepot: ${message}\n`),
    quarantined: () => {},
    rebuilt: () => {},
  };
  // The store is large; commands that ask a running proxy do without it.
  const { openCache } = await import('../cache/open-cache.js');
  const { createLocalInventory } = await import('../inventory/local-inventory.js');
  const cache = await openCache({ directory: dataDir, events, pinPatterns: pins.map(parseImagePattern) }).catch(
    (error: unknown) => {
      const { message } = error as Error;
      throw new Error(otherwise === '' ? message : `${message}; ${otherwise}`, { cause: error });
    },
  );
  try {
    // What is listed from an index that is half built is half a list.
    await cache.rebuilt;
    return await task(createLocalInventory(cache));
  } finally {
    await cache.close();
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new ConfigError([`--admin: ${JSON.stringify(text)} is not a URL; write http://127.0.0.1:3129.`]);
}

/** @throws Error where this user may not know */
async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return false;
    throw new Error(`${path.dirname(file)} is not open to this user (EACCES); run this as the user of the proxy.`, {
      cause: error,
    });
  }
}
