import { parseSize } from '../config/units.js';
import { ConfigError } from '../errors.js';
import type { Selection } from '../inventory/contract.js';
import { formatRepository, parseRegistry, parseRepository } from '../inventory/image-name.js';
import { readAge, removeAll } from './cache-rm.js';
import type { Command, CommandArguments } from './command.js';
import { ADMIN_FLAG } from './open-inventory.js';

export const cachePrune: Command = {
  words: ['cache', 'prune'],
  summary: 'remove what was not used for long, or the longest unused until the store is small enough',
  options: ['data-dir'],
  takesJson: true,
  flags: [
    ADMIN_FLAG,
    { name: 'older-than', metavar: 'DURATION', help: 'what nobody used for so long, as in 30d' },
    { name: 'registry', metavar: 'NAME', help: 'of this only images of a registry' },
    { name: 'repository', metavar: 'NAME', help: 'of this only images of a repository' },
    { name: 'to-size', metavar: 'SIZE', help: 'what was unused for longest, until no more than this is stored' },
    { name: 'dry-run', help: 'tell what would be removed, and remove nothing' },
  ],
  run: async (given, io) =>
    removeAll(
      given,
      io,
      [readSelection(given)],
      [given.own?.['repository'], given.own?.['registry']].flatMap((name) => (typeof name === 'string' ? [name] : [])),
    ),
};

function readSelection({ own = {} }: CommandArguments): Selection {
  const { 'older-than': age, 'to-size': size, registry, repository } = own;
  if (age === undefined && size === undefined) {
    throw new ConfigError([
      'Say what to remove: --older-than DURATION or --to-size SIZE; entrepot cache rm takes names.',
    ]);
  }
  if (size !== undefined) {
    if (Object.keys(own).some((name) => ['older-than', 'registry', 'repository'].includes(name)))
      throw new ConfigError(['--to-size stands alone: it takes what was unused for longest, whatever that is.']);
    return { toBytes: readSize(String(size)) };
  }
  if (registry !== undefined && repository !== undefined)
    throw new ConfigError(['--registry and --repository exclude each other.']);
  return {
    ...readAge(age),
    ...(registry === undefined ? {} : { registry: parseRegistry(String(registry)) }),
    ...(repository === undefined ? {} : { repository: formatRepository(parseRepository(String(repository))) }),
  };
}

function readSize(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new ConfigError([`--to-size: ${(error as Error).message}`]);
  }
}
