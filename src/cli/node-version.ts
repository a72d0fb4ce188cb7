const NEEDED = [20, 20] as const;

/** One sentence where this version of Node is too old for the program; undefined where it will do. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [neededMajor, neededMinor] = NEEDED;
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `entrepot needs Node ${neededMajor}.${neededMinor} or newer; this is Node ${version}.`;
}
