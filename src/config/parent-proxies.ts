import { readFileSync } from 'node:fs';
import { formatAuthority, parseAuthority } from '../net/authority.js';
import { orderProblem, type ParentAddress, parseWay, type Way } from '../net/parent-address.js';
import type { Environment } from './paths.js';

/** In `--upstream-proxy`: the proxies that the environment names. */
export const ENVIRONMENT = 'env';

/** The proxies above this one, and what they want to be told. */
export interface ParentProxies {
  /** For upstreams that speak TLS. */
  readonly https: readonly Way[];
  /** For those that don't. */
  readonly http: readonly Way[];
  /** Entries as in NO_PROXY. */
  readonly noProxy: readonly string[];
  /** What stands in `Proxy-Authorization`, by `host:port` of the parent. Secrets: no listing of options has them. */
  readonly credentials: ReadonlyMap<string, string>;
}

export interface ParentOptions {
  readonly upstreamProxy: readonly string[];
  readonly upstreamProxyAuth: string | undefined;
  readonly upstreamNoProxy: readonly string[];
}

const MAX_FILE_BYTES = 64 * 1024;

/** Puts together what the options and, where they ask for it, the environment say. Complaints never repeat a password. */
export function readParentProxies(
  { upstreamProxy, upstreamProxyAuth, upstreamNoProxy }: ParentOptions,
  env: Environment,
): { readonly parents: ParentProxies; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const credentials = new Map<string, string>();
  const usesEnvironment = upstreamProxy.includes(ENVIRONMENT);
  const waysOver = (scheme: 'https' | 'http'): Way[] =>
    upstreamProxy.flatMap((text) => {
      if (text !== ENVIRONMENT) return [parseWay(text)];
      const found = fromEnvironment(`${scheme}_proxy`, env, credentials);
      if (typeof found === 'string') problems.push(found);
      return typeof found === 'object' ? [found] : [];
    });
  const [https, http] = [waysOver('https'), waysOver('http')];
  const order = orderProblem(https) ?? orderProblem(http);
  if (order !== undefined) problems.push(`--upstream-proxy: ${order}`);
  const fromVariable = usesEnvironment ? (variable('no_proxy', env)?.split(/[\s,]+/) ?? []) : [];
  const noProxy = [...upstreamNoProxy, ...fromVariable.filter((entry) => entry !== '')];
  if (upstreamProxyAuth !== undefined) problems.push(...readCredentials(upstreamProxyAuth, credentials));
  return { parents: { https, http, noProxy, credentials }, problems: [...new Set(problems)] };
}

function variable(name: string, env: Environment): string | undefined {
  return env[name.toUpperCase()] || env[name] || undefined;
}

/** The parent that a variable names, undefined where it names none, or what is wrong with it. A password stands there in the URL. */
function fromEnvironment(
  name: string,
  env: Environment,
  credentials: Map<string, string>,
): ParentAddress | string | undefined {
  const text = variable(name, env);
  if (text === undefined) return undefined;
  try {
    const url = new URL(text.includes('://') ? text : `http://${text}`);
    const way = parseWay(`${url.protocol}//${url.host}`);
    if (way === 'direct') throw new Error('no proxy');
    if (url.username !== '') {
      const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      credentials.set(formatAuthority(way.host, way.port), basic(pair));
    }
    return way;
  } catch {
    return `${name.toUpperCase()}: it names no http or https proxy, and --upstream-proxy ${ENVIRONMENT} asks for it.`;
  }
}

/** Lines of `HOST:PORT USER:PASSWORD`. */
function readCredentials(file: string, credentials: Map<string, string>): readonly string[] {
  const lines = linesOf(file);
  if (typeof lines === 'string') return [lines];
  return lines.flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return [];
    const [, place = '', pair = ''] = /^(\S+)[ \t]+(\S[^:]*:.*)$/.exec(line.trimEnd()) ?? [];
    try {
      const { host, port } = parseAuthority(place);
      credentials.set(formatAuthority(host, port), basic(pair));
      return [];
    } catch {
      return [`${file}:${index + 1}: a line is HOST:PORT USER:PASSWORD.`];
    }
  });
}

function linesOf(file: string): readonly string[] | string {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > MAX_FILE_BYTES) return `${file} is larger than a file of passwords can be.`;
    return bytes.toString('utf8').split(/\r?\n/);
  } catch (error) {
    return `${file} cannot be read: ${(error as Error).message}.`;
  }
}

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}
