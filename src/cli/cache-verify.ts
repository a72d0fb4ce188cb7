import { ConfigError } from '../errors.js';
import type { VerifyReport, VerifySelection } from '../inventory/contract.js';
import { formatImage, parseName } from '../inventory/image-name.js';
import { formatBytes, formatCount } from './amounts.js';
import { type Command, renderJson } from './command.js';
import { INTERRUPTED, runLongWork } from './long-work.js';
import { describeNotHeld } from './not-held.js';
import { ADMIN_FLAG, withInventory } from './open-inventory.js';

export const cacheVerify: Command = {
  words: ['cache', 'verify'],
  summary: 'hash stored content, and take away what is damaged',
  options: ['data-dir'],
  takesJson: true,
  flags: [ADMIN_FLAG],
  operand: {
    metavar: 'name',
    help: 'an image or a digest; everything that is stored without it',
    count: 'at-most-one',
  },
  run: async (given, io) => {
    const [text] = given.operands ?? [];
    const selection = text === undefined ? {} : selectionOf(text);
    const done = await withInventory(given, io, async (inventory) => {
      const ran = await runLongWork(io, 'verifying', (work) => inventory.verify(selection, work));
      if (ran === undefined) return undefined;
      const { value: report, interrupted } = ran;
      if (report === undefined) throw new Error(`${await describeNotHeld(inventory, text ?? '')}.`);
      return { report, interrupted };
    });
    if (done === undefined) {
      io.error('entrepot: interrupted\n');
      return INTERRUPTED;
    }
    const { report, interrupted } = done;
    io.out(given.json ? renderJson(report) : describe(report));
    if (interrupted) return INTERRUPTED;
    return report.bad + report.missing + report.unreadable === 0 ? 0 : 1;
  },
};

function selectionOf(text: string): VerifySelection {
  const named = parseName(text);
  if (named.kind === 'digest') return { digest: named.digest };
  if (named.kind === 'image') return { image: formatImage(named.image) };
  throw new ConfigError([
    `${JSON.stringify(text)} is a ${named.kind}; verify takes an image, a digest, or everything.`,
  ]);
}

function describe({ checked, checkedBytes, bad, missing, unreadable, badDigests, aborted }: VerifyReport): string {
  const lines = [
    `Checked ${formatCount(checked, 'content')} of ${formatBytes(checkedBytes)}${aborted ? ', then it was interrupted' : ''}.`,
  ];
  if (bad > 0) lines.push(`Damaged: ${bad}. They are in quarantine, and fetched again when somebody asks for them:`);
  lines.push(...badDigests.map((digest) => `  ${digest}`));
  if (missing > 0) lines.push(`Missing: ${missing}.`);
  if (unreadable > 0) lines.push(`Could not be read: ${unreadable}.`);
  if (bad + missing + unreadable === 0) lines.push('All is well.');
  return lines.map((line) => `${line}\n`).join('');
}
