import { parseRanges } from './address-ranges.js';
import { parseAuthority } from './authority.js';

/** Which hosts are reached without a parent proxy. */
export interface NoProxy {
  covers(host: string, port: number): boolean;
}

/** `host` without the port that may stand behind it. */
const WITH_PORT = /^(.*[^:]|\[.*\]):(\d{1,5})$/;

/**
 * Reads a list as the variable NO_PROXY has it: `example.com` covers the name and all below it, `.example.com` and
 * `*.example.com` only what is below, `10.0.0.0/8` and `fd00::/8` addresses that are written as such, `*` everything;
 * a port behind a name or an address limits it to that port.
 * @throws Error with one sentence for the user, for the first entry that is wrong
 */
export function parseNoProxy(list: readonly string[]): NoProxy {
  const entries = list.map(parseEntry);
  return { covers: (host, port) => entries.some((entry) => entry(host, port)) };
}

function parseEntry(text: string): (host: string, port: number) => boolean {
  if (text === '*') return () => true;
  const [, bare = text, portText] = WITH_PORT.exec(text) ?? [];
  const ranges = addressesOf(text) ?? addressesOf(bare.replace(/^\[|\]$/g, ''));
  const onlyPort = ranges !== undefined && addressesOf(text) !== undefined ? undefined : portText;
  const samePort = (port: number): boolean => onlyPort === undefined || Number(onlyPort) === port;
  if (ranges) return (host, port) => samePort(port) && ranges.contains(host);
  const below = bare.replace(/^\*?\./, '');
  const name = nameOf(text, below);
  const itself = below === bare;
  return (host, port) => samePort(port) && ((itself && host === name) || host.endsWith(`.${name}`));
}

function addressesOf(text: string): ReturnType<typeof parseRanges> | undefined {
  try {
    return parseRanges([text]);
  } catch {
    return undefined;
  }
}

function nameOf(text: string, name: string): string {
  try {
    return parseAuthority(name, 0).host;
  } catch (cause) {
    throw new Error(
      `${JSON.stringify(text)} is no entry of a no-proxy list; write example.com, .example.com, 10.0.0.0/8 or *.`,
      { cause },
    );
  }
}
