import { parseDuration } from '../config/units.js';
import { ConfigError } from '../errors.js';
import type { RemovalReport, Selection } from '../inventory/contract.js';
import { formatImage, formatRepository, parseName } from '../inventory/image-name.js';
import { type Command, type CommandArguments, type CommandIo, renderJson } from './command.js';
import { INTERRUPTED, runLongWork } from './long-work.js';
import { describeNotHeld } from './not-held.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';
import { describeRemoval } from './removal-text.js';

export const cacheRm: Command = {
  words: ['cache', 'rm'],
  summary: 'remove images, repositories, registries or single contents; what other images share is kept',
  options: ['data-dir'],
  takesJson: true,
  flags: [
    ADMIN_FLAG,
    { name: 'older-than', metavar: 'DURATION', help: 'only what nobody used for so long, as in 30d' },
    { name: 'dry-run', help: 'tell what would be removed, and remove nothing' },
  ],
  operand: {
    metavar: 'name',
    help: 'docker.io/library/alpine:3.20, docker.io/library/alpine, docker.io/, or a digest',
    count: 'any',
  },
  run: async (given, io) => {
    const { operands = [], own = {} } = given;
    const age = readAge(own['older-than']);
    if (operands.length === 0 && age.unusedMs === undefined) {
      throw new ConfigError([
        'Say what to remove: an image, a repository, a registry, a digest, or --older-than DURATION.',
      ]);
    }
    const selections = operands.length === 0 ? [age] : operands.map((text) => ({ ...selectionOf(text), ...age }));
    return removeAll(given, io, selections, operands);
  },
};

/** Removes one selection after the other and tells what became of each. Gives the exit code. */
export async function removeAll(
  given: CommandArguments,
  io: CommandIo,
  selections: readonly Selection[],
  names: readonly string[],
): Promise<number> {
  const dryRun = given.own?.['dry-run'] === true;
  return withInventory(given, io, async (inventory) => {
    // In the order of the selections; of what is not there, nothing.
    const reports: (RemovalReport | null)[] = [];
    let code = 0;
    for (const [n, selection] of selections.entries()) {
      const done = await runLongWork(io, 'removing', (work) => inventory.remove(selection, dryRun, work));
      if (done === undefined) {
        io.error('entrepot: interrupted; what was removed until then is gone\n');
        return INTERRUPTED;
      }
      const { value: report, interrupted } = done;
      if (report === undefined) {
        io.error(`entrepot: ${await describeNotHeld(inventory, names[n] ?? 'that')}\n`);
        reports.push(null);
        code = 1;
        continue;
      }
      if (report.failed.entries > 0) code = 1;
      reports.push(report);
      if (!given.json) io.out(`${selections.length > 1 ? `${names[n]}: ` : ''}${describeRemoval(report)}`);
      if (interrupted) {
        code = INTERRUPTED;
        break;
      }
    }
    if (given.json) io.out(renderJson(selections.length > 1 ? reports : (reports[0] ?? null)));
    return code;
  });
}

export function readAge(text: string | true | undefined): Pick<Selection, 'unusedMs'> {
  if (text === undefined) return {};
  try {
    return { unusedMs: parseDuration(String(text)) };
  } catch (error) {
    throw new ConfigError([`--older-than: ${(error as Error).message}`]);
  }
}

function selectionOf(text: string): Selection {
  const named = parseName(text);
  if (named.kind === 'digest') return { digest: named.digest };
  if (named.kind === 'image') return { image: formatImage(named.image) };
  if (named.kind === 'repository') return { repository: formatRepository(named.repository) };
  return { registry: named.registry };
}
