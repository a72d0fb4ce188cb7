import { loadSettings, type Setting } from '../config/load.js';
import { fileKey, OPTION_NAMES } from '../config/option-table.js';
import { REGISTRIES_KEY } from '../config/registries-key.js';
import type { RegistrySettings } from '../registries/settings.js';
import type { Command } from './command.js';

export const configPrint: Command = {
  words: ['config', 'print'],
  summary: 'print the options in effect and where each comes from',
  options: OPTION_NAMES,
  takesJson: true,
  run: async ({ flags, json }, io) => {
    const { settings, config } = loadSettings({ ...io, flags });
    const registries = config.registries ?? [];
    io.out(json ? asJson(settings, registries) : asTable(settings, registries));
    return 0;
  },
};

function asJson(settings: readonly Setting[], registries: readonly RegistrySettings[]): string {
  const byKey: [string, unknown][] = settings.map(({ name, value, origin }) => [fileKey(name), { value, origin }]);
  if (registries.length > 0) {
    const byPattern = registries.map(({ pattern, origin, ...value }) => [pattern, { value, origin }]);
    byKey.push([REGISTRIES_KEY, Object.fromEntries(byPattern)]);
  }
  return `${JSON.stringify(Object.fromEntries(byKey), undefined, 2)}\n`;
}

function asTable(settings: readonly Setting[], registries: readonly RegistrySettings[]): string {
  const rows = [
    ...settings.map(({ name, value, origin }) => [name, shown(value), origin] as const),
    ...registries.map((one) => [one.pattern, describe(one), one.origin] as const),
  ];
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const originWidth = Math.max(...rows.map(([, , origin]) => origin.length));
  return rows
    .map(([name, value, origin]) => `${name.padEnd(nameWidth)}  ${origin.padEnd(originWidth)}  ${value}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}

function describe({ ca, clientCert, clientKey, crl, insecure }: RegistrySettings): string {
  const parts = Object.entries({ ca, clientCert, clientKey, crl }).filter(([, file]) => file !== undefined);
  return [...parts.map(([key, file]) => `${key}=${file}`), ...(insecure ? ['insecure'] : [])].join(',');
}

function shown(value: Setting['value']): string {
  return typeof value === 'string' ? value : value.join(',');
}
