const NEEDED = [20, 20] as const;

/** One sentence where this version of Node is too old for the program; undefined where it will do. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [neededMajor, neededMinor] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `entrepot needs Node ${neededMajor}.${neededMinor} or newer; this is Node ${version}.`;
}

/** The last day of each even line; odd lines last half a year. @see https://nodejs.org/en/about/previous-releases */
const LAST_DAYS: ReadonlyMap<number, string> = new Map([
  [20, '2026-04-30'],
  [22, '2027-04-30'],
  [24, '2028-04-30'],
  [26, '2029-04-30'],
]);

/**
 * One sentence where this line of Node gets no security fixes any more; undefined where it does, or nothing is known.
 * @param now ms epoch
 */
export function nodeLifeWarning(version: string, now: number): string | undefined {
  const major = Number.parseInt(version, 10);
  const lastDay = LAST_DAYS.get(major % 2 === 0 ? major : major - 1);
  if (major % 2 === 1 && lastDay !== undefined)
    return `Node ${major} is no line of long-term support; use an even one.`;
  if (lastDay === undefined || now < Date.parse(`${lastDay}T23:59:59Z`)) return undefined;
  return `Node ${major} gets no security fixes since ${lastDay}; use a newer one.`;
}
