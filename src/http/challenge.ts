/** One challenge of a WWW-Authenticate header. */
export interface Challenge {
  /** The scheme in lower case, such as `bearer` or `basic`. */
  readonly scheme: string;
  /** Parameters by lower-case name; where a name stands twice, the first value counts. */
  readonly params: ReadonlyMap<string, string>;
}

const SPACE = /[ \t]*/y;
const SEPARATOR = /[ \t,]*/y;
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const PARAM = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/y;

/**
 * Reads WWW-Authenticate lines (RFC 9110 section 11.6.1), several challenges to a line included. Commas within quoted
 * values are part of them. A line that stops making sense gives the challenges up to there.
 */
export function parseChallenges(lines: readonly string[]): Challenge[] {
  return lines.flatMap(parseLine);
}

/** The first challenge of a scheme, which is given in lower case. */
export function findChallenge(challenges: readonly Challenge[], scheme: string): Challenge | undefined {
  return challenges.find((challenge) => challenge.scheme === scheme);
}

function parseLine(line: string): Challenge[] {
  const challenges: Challenge[] = [];
  let at = 0;
  function take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = at;
    const match = pattern.exec(line);
    if (match === null) return undefined;
    at = pattern.lastIndex;
    return match;
  }
  for (take(SEPARATOR); at < line.length; take(SEPARATOR)) {
    const scheme = take(TOKEN)?.[0].toLowerCase();
    if (scheme === undefined) break;
    const params = new Map<string, string>();
    challenges.push({ scheme, params });
    take(SPACE);
    if (line[at] === ',' || take(TOKEN68) !== undefined) continue;
    for (let param = take(PARAM); param !== undefined; param = take(PARAM)) {
      const [, name = '', quoted, plain = ''] = param;
      const key = name.toLowerCase();
      if (!params.has(key)) params.set(key, quoted?.replaceAll(/\\(.)/g, '$1') ?? plain);
      take(SEPARATOR);
    }
  }
  return challenges;
}
