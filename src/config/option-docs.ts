import { CONFIG_OPTION, environmentName, fileKey, OPTIONS, type OptionSpec } from './option-table.js';

/** The default in words, as Markdown. */
export function describeDefault(option: OptionSpec): string {
  if (option.shownDefault !== undefined) return option.shownDefault;
  return option.default === undefined || option.default === '' ? 'none' : `\`${option.default}\``;
}

/** The table of options for the README, as Markdown. A test compares the two. */
export function renderOptionTable(): string {
  const rows = OPTIONS.map((option: OptionSpec) => [
    `\`${`--${option.name} ${option.metavar}`.trim()}\``,
    `\`${environmentName(option.name)}\``,
    `\`${fileKey(option.name)}\``,
    describeDefault(option),
    option.help,
  ]);
  const config = [
    `\`--${CONFIG_OPTION.name} ${CONFIG_OPTION.metavar}\``,
    `\`${environmentName(CONFIG_OPTION.name)}\``,
    '',
    'none',
    CONFIG_OPTION.help,
  ];
  const table = [['flag', 'environment', 'key in the file', 'default', 'meaning'], ...rows, config];
  const lines = table.map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  return [lines[0], '|---|---|---|---|---|', ...lines.slice(1)].join('\n');
}
