import { loadSettings, type Setting } from '../config/load.js';
import { fileKey, OPTION_NAMES } from '../config/option-table.js';
import type { Command } from './command.js';

export const configPrint: Command = {
  words: ['config', 'print'],
  summary: 'print the options in effect and where each comes from',
  options: OPTION_NAMES,
  takesJson: true,
  run: async ({ flags, json }, io) => {
    const { settings } = loadSettings({ ...io, flags });
    io.out(json ? asJson(settings) : asTable(settings));
    return 0;
  },
};

function asJson(settings: readonly Setting[]): string {
  const byKey = settings.map(({ name, value, origin }) => [fileKey(name), { value, origin }] as const);
  return `${JSON.stringify(Object.fromEntries(byKey), undefined, 2)}\n`;
}

function asTable(settings: readonly Setting[]): string {
  const rows = settings.map(({ name, value, origin }) => [name, shown(value), origin] as const);
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const originWidth = Math.max(...rows.map(([, , origin]) => origin.length));
  return rows
    .map(([name, value, origin]) => `${name.padEnd(nameWidth)}  ${origin.padEnd(originWidth)}  ${value}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function shown(value: Setting['value']): string {
  return typeof value === 'string' ? value : value.join(',');
}
