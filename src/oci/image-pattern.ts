/** Images that a pattern of the configuration names. */
export interface ImagePattern {
  /** As much of the name as stands before the first asterisk. */
  readonly literal: string;
  /** Whether tags are named, and not whole repositories. */
  readonly namesTags: boolean;
  /** @param name `registry.k8s.io/pause`, and where the pattern names tags, `registry.k8s.io/pause:3.9` */
  matches(name: string): boolean;
}

const PATTERN = /^[a-z0-9.*[\]:_-]+\/[a-z0-9._/*-]+(?::[A-Za-z0-9._*-]+)?$/;

/**
 * Reads `registry.k8s.io/pause*` or `docker.io/library/alpine:3.*`: registry and repository with asterisks for any
 * characters, and a tag where only that is meant.
 * @throws Error with one sentence for the user
 */
export function parseImagePattern(text: string): ImagePattern {
  if (!PATTERN.test(text)) {
    throw new Error(
      `${JSON.stringify(text)} names no images; write registry and repository, as in registry.k8s.io/pause* or docker.io/library/alpine:3.*.`,
    );
  }
  const slash = text.indexOf('/');
  const namesTags = text.indexOf(':', slash) >= 0;
  const asterisk = text.indexOf('*');
  const literal = asterisk < 0 ? text : text.slice(0, asterisk);
  const parts = text.split('*').map((part) => part.replace(/[.[\]]/g, String.raw`\$&`));
  const expression = new RegExp(`^${parts.join('.*')}$`);
  return { literal, namesTags, matches: (name) => expression.test(name) };
}
