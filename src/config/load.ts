import path from 'node:path';
import { ConfigError } from '../errors.js';
import { DEFAULT_CLIENT_RANGES, parseRanges } from '../net/address-ranges.js';
import type { Way } from '../net/parent-address.js';
import type { Config } from './config.js';
import {
  ADMIN_TOKEN_VARIABLE,
  environmentLayer,
  type FileLayer,
  type Flags,
  fileLayer,
  flagLayer,
  type Layer,
  type Setting,
} from './layer.js';
import { CONFIG_OPTION, environmentName, isList, OPTION_NAMES, OPTIONS, type OptionName } from './option-table.js';
import { readParentProxies } from './parent-proxies.js';
import { defaultCaDir, defaultDataDir, type Environment } from './paths.js';
import { type OptionText, readOptions } from './schema.js';
import type { ListenAddress } from './units.js';

export type { Config } from './config.js';
export type { Setting } from './layer.js';

const LOOPBACK = parseRanges(['127.0.0.0/8', '::1', '0.0.0.0/8', '::/128']);

export interface ConfigSource {
  readonly flags: Flags;
  readonly env: Environment;
  /** Absolute path of the working folder. */
  readonly cwd: string;
  /** Whether a person reads the output; decides over the default of `log-format`. */
  readonly isTerminal?: boolean;
}

export interface LoadedConfig {
  readonly config: Config;
  /** The value in effect of every option, in the order of the table. */
  readonly settings: readonly Setting[];
}

/**
 * Puts the configuration together: flag before environment before file before default.
 * @throws ConfigError with everything that is wrong, each problem beginning with where the value came from
 */
export function loadConfig(source: ConfigSource): Config {
  return loadSettings(source).config;
}

/** As `loadConfig`, with the text and origin of every value. */
export function loadSettings(source: ConfigSource): LoadedConfig {
  const file = configFile(source);
  const layers: readonly Layer[] = [
    { settings: defaults(source), problems: [] },
    file,
    environmentLayer(source.env, source.cwd),
    flagLayer(source.flags, source.cwd),
  ];
  const problems = layers.flatMap((layer) => layer.problems);
  const byName = new Map(layers.flatMap((layer) => layer.settings).map((setting) => [setting.name, setting]));
  const settings = OPTION_NAMES.flatMap((name) => byName.get(name) ?? []);

  const texts = Object.fromEntries(settings.map(({ name, value }) => [name, value]));
  const read = readOptions(texts as Record<OptionName, OptionText>);
  const { token, problem } = adminToken(source.env);
  if (problem !== undefined) problems.push(problem);
  const own = 'config' in read ? readParentProxies(read.config, source.env) : undefined;
  if ('config' in read && own) {
    const ways = [
      ...own.parents.https,
      ...own.parents.http,
      ...file.registries.flatMap((one) => one.upstreamProxy ?? []),
    ];
    problems.push(...own.problems, ...contradictions(read.config, ways));
  } else if (!('config' in read))
    problems.push(...read.complaints.map(({ name, sentence }) => `${byName.get(name)?.origin}: ${sentence}`));
  if (!('config' in read) || !own || problems.length > 0) throw new ConfigError(problems);
  const allowClientsByDefault = byName.get('allow-clients')?.origin === 'default';
  return {
    config: {
      ...read.config,
      allowClientsByDefault,
      adminToken: token,
      registries: file.registries,
      parentProxies: own.parents,
    },
    settings,
  };
}

/** Everything that is wrong with the configuration; empty where nothing is. */
export function configProblems(source: ConfigSource): readonly string[] {
  try {
    loadSettings(source);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function configFile({ flags, env, cwd }: ConfigSource): FileLayer {
  const flag = flags[CONFIG_OPTION.name];
  if (flag !== undefined && typeof flag !== 'string') {
    return { settings: [], registries: [], problems: [`--${CONFIG_OPTION.name} is given ${flag.length} times.`] };
  }
  const named = flag ?? env[environmentName(CONFIG_OPTION.name)] ?? '';
  return named === '' ? { settings: [], registries: [], problems: [] } : fileLayer(path.resolve(cwd, named));
}

function defaults({ env, isTerminal }: ConfigSource): readonly Setting[] {
  const ofThisMachine: Partial<Record<OptionName, OptionText>> = {
    'data-dir': defaultDataDir(env),
    'ca-dir': defaultCaDir(),
    'allow-clients': DEFAULT_CLIENT_RANGES,
    'log-format': isTerminal === true ? 'pretty' : 'json',
  };
  return OPTIONS.map((option) => {
    const text = ofThisMachine[option.name] ?? option.default ?? '';
    const value = isList(option.name) && typeof text === 'string' ? text.split(',').filter((one) => one !== '') : text;
    return { name: option.name, value, origin: 'default' };
  });
}

/** The token of the environment. It is no option, so that no listing of options can show it. */
function adminToken(env: Environment): { readonly token?: string; readonly problem?: string } {
  const token = env[ADMIN_TOKEN_VARIABLE] ?? '';
  if (token === '') return {};
  if (/^[\x21-\x7e]{16,512}$/.test(token)) return { token };
  return { problem: `${ADMIN_TOKEN_VARIABLE}: a token has 16 to 512 printable ASCII characters and no space.` };
}

function contradictions({ listen, adminListen }: Config, ways: readonly Way[]): readonly string[] {
  const problems: string[] = [];
  if (listen.port !== 0 && listen.port === adminListen?.port && listen.host === adminListen.host) {
    problems.push('--listen and --admin-listen name the same address; give each its own port.');
  }
  if (ways.some((way) => way !== 'direct' && isHere(way, listen))) {
    problems.push('--upstream-proxy names the address of --listen: this proxy would be its own parent.');
  }
  return problems;
}

/** Whether a parent is this very proxy, as far as that can be told before it listens. */
function isHere(parent: ListenAddress, listen: ListenAddress): boolean {
  if (parent.port !== listen.port) return false;
  const isLocal = (host: string): boolean => host === 'localhost' || LOOPBACK.contains(host);
  const onAll = listen.host === '::' || listen.host === '0.0.0.0';
  return parent.host === listen.host || (isLocal(parent.host) && (onAll || isLocal(listen.host)));
}
