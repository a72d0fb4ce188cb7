import path from 'node:path';
import { parseHostPattern } from '../net/host-pattern.js';
import { orderProblem, parseWay, type Way } from '../net/parent-address.js';
import type { RegistrySettings } from '../registries/settings.js';
import type { OptionText } from './schema.js';
import { didYouMean } from './suggest.js';
import { parseCount, parseSize } from './units.js';
import type { FileGroup } from './yaml-file.js';

/** The key of the configuration file that holds settings of single registries, by host pattern. */
export const REGISTRIES_KEY = 'registries';

const PATH_KEYS = ['ca', 'clientCert', 'clientKey', 'crl'] as const;
const WAYS_KEY = 'upstreamProxy';
const FLAG_KEYS: readonly string[] = ['insecure', 'plainHttp'];

/** Settings that are numbers, and how their text is read. */
const NUMBERS: Readonly<Record<string, (text: string) => number>> = {
  maxConnections: parseCount,
  maxRate: parseSize,
};
const KEYS: readonly string[] = [...PATH_KEYS, ...FLAG_KEYS, WAYS_KEY, ...Object.keys(NUMBERS)];

export interface ReadRegistries {
  readonly registries: readonly RegistrySettings[];
  readonly problems: readonly string[];
}

/** Reads what stands below `registries`. Relative paths are relative to the file. */
export function readRegistries(groups: readonly FileGroup[], file: string): ReadRegistries {
  const problems: string[] = [];
  const seen = new Map<string, string>();
  const registries = groups.map((group) => {
    const origin = `${file}:${group.line}`;
    const read = readPattern(group.name);
    if ('problem' in read) problems.push(`${origin}: ${read.problem}`);
    else if (seen.has(read.spelling)) {
      problems.push(`${origin}: ${group.name} names the same hosts as ${seen.get(read.spelling)}.`);
    } else seen.set(read.spelling, group.name);
    const { settings, complaints } = readGroup(group, file);
    problems.push(...complaints);
    return settings;
  });
  return { registries, problems };
}

function readGroup(group: FileGroup, file: string): { settings: RegistrySettings; complaints: readonly string[] } {
  const complaints: string[] = [];
  const values = new Map<string, string>();
  const numbers = new Map<string, number>();
  let ways: readonly Way[] | undefined;
  for (const { key, value, line } of group.entries) {
    const at = `${file}:${line}`;
    if (!KEYS.includes(key)) complaints.push(`${at}: ${key} is no setting of a registry.${didYouMean(key, KEYS)}`);
    else if (key === WAYS_KEY) {
      const read = readWays(value);
      if ('problem' in read) complaints.push(`${at}: ${read.problem}`);
      else ways = read.ways;
    } else if (typeof value !== 'string' || value === '') complaints.push(`${at}: ${key} takes one value.`);
    else if (FLAG_KEYS.includes(key) && value !== 'true' && value !== 'false') {
      complaints.push(`${at}: ${key} is true or false.`);
    } else if (Object.hasOwn(NUMBERS, key)) {
      try {
        numbers.set(key, NUMBERS[key]?.(value) ?? 0);
      } catch (error) {
        complaints.push(`${at}: ${key}: ${(error as Error).message}`);
      }
    } else values.set(key, value);
  }
  const origin = `${file}:${group.line}`;
  const pathOf = (key: (typeof PATH_KEYS)[number]): string | undefined => {
    const text = values.get(key);
    return text === undefined ? undefined : path.resolve(path.dirname(file), text);
  };
  const insecure = values.get('insecure') === 'true';
  if (values.has('clientCert') !== values.has('clientKey')) {
    complaints.push(`${origin}: ${group.name} needs both clientCert and clientKey, or neither.`);
  }
  for (const key of ['ca', 'crl']) {
    if (insecure && values.has(key))
      complaints.push(`${origin}: ${group.name} has a ${key} that insecure makes useless.`);
  }
  if (values.get('plainHttp') === 'true' && (insecure || values.has('ca') || values.has('clientCert'))) {
    complaints.push(`${origin}: ${group.name} has settings of TLS that plainHttp makes useless.`);
  }
  const maxConnections = numbers.get('maxConnections');
  const maxBytesPerSecond = numbers.get('maxRate');
  const settings = {
    pattern: group.name,
    origin,
    ca: pathOf('ca'),
    clientCert: pathOf('clientCert'),
    clientKey: pathOf('clientKey'),
    insecure,
    ...(values.has('crl') && { crl: pathOf('crl') }),
    ...(ways && { upstreamProxy: ways }),
    ...(values.get('plainHttp') === 'true' && { plainHttp: true }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...(maxBytesPerSecond !== undefined && { maxBytesPerSecond }),
  };
  return { settings, complaints };
}

function readWays(value: OptionText): { readonly ways: readonly Way[] } | { readonly problem: string } {
  const texts = typeof value === 'string' ? value.split(',').map((one) => one.trim()) : value;
  try {
    const ways = texts.map(parseWay);
    const problem = orderProblem(ways);
    return problem === undefined ? { ways } : { problem };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}

/** The pattern in its one spelling, or what is wrong with it. */
function readPattern(text: string): { readonly spelling: string } | { readonly problem: string } {
  try {
    const { host, isWildcard, port } = parseHostPattern(text);
    return { spelling: `${isWildcard ? '*' : ''}${host} ${port ?? ''}` };
  } catch (error) {
    return { problem: (error as Error).message };
  }
}
