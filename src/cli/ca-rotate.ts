import { type Config, loadConfig } from '../config/load.js';
import { parseDuration } from '../config/units.js';
import { ConfigError } from '../errors.js';
import { beginRotation, cancelRotation, finishRotation, loadAuthorities } from '../tls/rotation.js';
import { authorityReport, renderReport } from './authority-report.js';
import { type Command, type CommandArguments, renderJson } from './command.js';

type Own = NonNullable<CommandArguments['own']>;

const DEFAULT_DELAY = '14d';
const ISO_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/;

export const caRotate: Command = {
  words: ['ca', 'rotate'],
  summary: 'bring in a new CA beside the present one, and switch to it later',
  options: ['ca-dir', 'ca-name-constraints'],
  takesJson: true,
  flags: [
    { name: 'in', metavar: 'DURATION', help: `how long until the new CA signs (default: ${DEFAULT_DELAY})` },
    { name: 'switch-at', metavar: 'TIME', help: 'when the new CA signs, as 2026-12-01T00:00:00Z' },
    { name: 'finish', help: 'put the new CA in the place of the old one, and remove the old key' },
    { name: 'cancel', help: 'remove the new CA, which must not have signed yet' },
  ],
  run: async ({ flags, json, own = {} }, io) => {
    const config = loadConfig({ ...io, flags });
    const now = Date.now();
    const said = await rotate(config, own, now);
    const report = authorityReport(await loadAuthorities(config.caDir, now));
    io.out(json ? renderJson(report) : `${said}\n${renderReport(report)}`);
    return 0;
  },
};

async function rotate({ caDir, caNameConstraints }: Config, own: Own, now: number): Promise<string> {
  const given = Object.keys(own);
  if (given.length > 1)
    throw new ConfigError([`${given.map((name) => `--${name}`).join(' and ')} exclude each other.`]);
  if (own['finish'] === true) {
    return (await finishRotation(caDir, now))
      ? 'The rotation is finished: the old key is gone, and clients may forget the old certificate.'
      : 'There is no rotation to finish; nothing was changed.';
  }
  if (own['cancel'] === true) {
    return (await cancelRotation(caDir, now))
      ? 'The rotation is cancelled: the new key is gone.'
      : 'There is no rotation to cancel; nothing was changed.';
  }
  const switchAt = switchTime(own, now);
  const { next } = await beginRotation(caDir, { now, switchAt, permittedNames: caNameConstraints });
  const time = new Date(next?.switchAt ?? switchAt).toISOString();
  return [
    `The rotation has begun. The new CA signs from ${time} on; until then, let all clients trust it:`,
    'GET /ca.crt and "entrepot ca export" give both certificates. A running proxy knows within a minute.',
    'When every client trusts the new one, "entrepot ca rotate --finish" ends the rotation.',
  ].join('\n');
}

function switchTime(own: Own, now: number): number {
  const { 'switch-at': time, in: delay = DEFAULT_DELAY } = own;
  if (typeof time === 'string') {
    const at = ISO_TIME.test(time) ? Date.parse(time) : Number.NaN;
    if (Number.isNaN(at))
      throw new ConfigError([`--switch-at: ${JSON.stringify(time)} is not a time; write 2026-12-01T00:00:00Z.`]);
    if (at < now) throw new ConfigError([`--switch-at: ${time} has passed; --in 0 switches at once.`]);
    return at;
  }
  try {
    return now + parseDuration(String(delay));
  } catch (error) {
    throw new ConfigError([`--in: ${(error as Error).message}`]);
  }
}
