import path from 'node:path';
import type { RegistrySettings } from '../registries/settings.js';
import {
  CONFIG_OPTION,
  environmentName,
  fileKey,
  isList,
  isPath,
  OPTION_NAMES,
  type OptionName,
} from './option-table.js';
import type { Environment } from './paths.js';
import { REGISTRIES_KEY, readRegistries } from './registries-key.js';
import type { OptionText } from './schema.js';
import { didYouMean } from './suggest.js';
import { readConfigFile } from './yaml-file.js';

/** One option's value as text, and where it came from: `default`, `--flag`, `ENTREPOT_NAME` or `file:line`. */
export interface Setting {
  readonly name: OptionName;
  readonly value: OptionText;
  readonly origin: string;
}

/** What one source of options says, and what it says wrongly. */
export interface Layer {
  readonly settings: readonly Setting[];
  readonly problems: readonly string[];
}

/** Flags as they were given, by name without dashes. Several values where a flag stood several times. */
export type Flags = Readonly<Partial<Record<OptionName | typeof CONFIG_OPTION.name, OptionText>>>;

/** The token of the admin API. */
export const ADMIN_TOKEN_VARIABLE = 'ENTREPOT_ADMIN_TOKEN';

/** Variables of the contract that are no options. */
const OTHER_VARIABLES = new Set([environmentName(CONFIG_OPTION.name), ADMIN_TOKEN_VARIABLE]);

/**
 * What Kubernetes puts into the environment of every pod beside a service named `entrepot` or `entrepot-…`.
 * @see https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
const SERVICE_LINK =
  /^ENTREPOT_(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;

/** Node would accept any certificate where the code does not say otherwise (threats C08). */
const UNCHECKED_TLS =
  'NODE_TLS_REJECT_UNAUTHORIZED=0 switches the check of certificates off; unset it, and name the registries that have no good one as insecure in the configuration file.';

/** The flags. Relative paths are relative to `cwd`. */
export function flagLayer(flags: Flags, cwd: string): Layer {
  const settings: Setting[] = [];
  const problems: string[] = [];
  for (const name of OPTION_NAMES) {
    const text = flags[name];
    if (text === undefined) continue;
    const origin = `--${name}`;
    if (typeof text !== 'string' && !isList(name)) problems.push(`${origin} is given ${text.length} times.`);
    else settings.push(setting(name, typeof text === 'string' ? text : text.join(','), origin, cwd));
  }
  return { settings, problems };
}

/** The ENTREPOT_ variables; an empty one counts as not set. Relative paths are relative to `cwd`. */
export function environmentLayer(env: Environment, cwd: string): Layer {
  const byVariable = new Map(OPTION_NAMES.map((name) => [environmentName(name), name]));
  const settings: Setting[] = [];
  const problems: string[] = [];
  if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') problems.push(UNCHECKED_TLS);
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('ENTREPOT_') || text === undefined || text === '') continue;
    const name = byVariable.get(variable);
    if (name !== undefined) settings.push(setting(name, text, variable, cwd));
    else if (!OTHER_VARIABLES.has(variable) && !SERVICE_LINK.test(variable)) {
      problems.push(`${variable} is no variable of entrepot.${didYouMean(variable, [...byVariable.keys()])}`);
    }
  }
  return { settings, problems };
}

/** What the file says besides options. */
export interface FileLayer extends Layer {
  readonly registries: readonly RegistrySettings[];
}

/** The YAML file. Relative paths are relative to the file. */
export function fileLayer(file: string): FileLayer {
  const byKey = new Map(OPTION_NAMES.map((name) => [fileKey(name), name]));
  const { entries, groups, problems } = readConfigFile(file, REGISTRIES_KEY);
  const { registries, problems: more } = readRegistries(groups, file);
  const settings: Setting[] = [];
  const all = [...problems, ...more];
  for (const { key, value, line } of entries) {
    const name = byKey.get(key);
    const origin = `${file}:${line}`;
    if (key === REGISTRIES_KEY) all.push(`${origin}: ${key} needs host patterns below it, each with its settings.`);
    else if (name === undefined)
      all.push(`${origin}: ${key} is no option.${didYouMean(key, [...byKey.keys(), REGISTRIES_KEY])}`);
    else if (typeof value !== 'string' && !isList(name)) all.push(`${origin}: ${key} takes one value, not a list.`);
    else settings.push(setting(name, value, origin, path.dirname(file)));
  }
  return { settings, registries, problems: all };
}

function setting(name: OptionName, text: OptionText, origin: string, base: string): Setting {
  const resolve = (one: string): string => (isPath(name) && one !== '' ? path.resolve(base, one) : one);
  if (!isList(name)) return { name, value: resolve(String(text)), origin };
  const values = typeof text === 'string' ? text.split(',').map((one) => one.trim()) : text;
  return { name, value: values.filter((one) => one !== '').map(resolve), origin };
}
