import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Yaml from 'yaml';
import type { Node, Pair, YAMLMap } from 'yaml';
import type { OptionText } from './schema.js';

export interface FileEntry {
  readonly key: string;
  readonly value: OptionText;
  /** Counted from 1. */
  readonly line: number;
}

/** One named group of entries below a key. */
export interface FileGroup {
  readonly name: string;
  readonly line: number;
  readonly entries: readonly FileEntry[];
}

/** What a configuration file says, and what is wrong with its form. Problems name file and line. */
export interface ConfigFile {
  readonly entries: readonly FileEntry[];
  /** What stands below the key that holds groups. */
  readonly groups: readonly FileGroup[];
  readonly problems: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;

const load = createRequire(import.meta.url);

/** The library, loaded when there is a file to read: most starts have none. */
function yaml(): typeof Yaml {
  return load('yaml') as typeof Yaml;
}

/**
 * Reads a YAML file of option keys, each with a scalar or a sequence of scalars. Values are kept as they are written:
 * what a number, a size or a duration is, the option decides.
 * @param groupKey the one key whose value is a map of names, each with such keys and values of its own
 */
export function readConfigFile(file: string, groupKey?: string): ConfigFile {
  const read = readText(file);
  if ('problem' in read) return nothingBut([read.problem]);
  const { LineCounter, parseDocument, isMap, isScalar } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(read.text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const lineOf = (node: unknown): number => lines.linePos((node as Node | null)?.range?.[0] ?? 0).line;
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    const problems = syntax.map((fault) => `${file}:${lines.linePos(fault.pos[0]).line}: ${fault.message}`);
    return nothingBut(problems);
  }
  const top = document.contents;
  if (top === null || (isScalar(top) && top.value === null)) return nothingBut([]);
  if (!isMap(top)) return nothingBut([`${file}:${lineOf(top)}: expected options as “key: value” lines.`]);

  const problems: string[] = [];
  const groups: FileGroup[] = [];

  function readEntries(items: readonly Pair<Node, Node | null>[]): FileEntry[] {
    return items.flatMap((pair) => {
      const key = keyOf(pair);
      const line = lineOf(pair.key);
      const value = readValue(pair.value);
      if (value === undefined) problems.push(`${file}:${line}: ${key} needs a value, or a list of values.`);
      return value === undefined ? [] : [{ key, value, line }];
    });
  }

  function readGroup(pair: Pair<Node, Node | null>): void {
    const [name, line] = [keyOf(pair), lineOf(pair.key)];
    if (!isMap(pair.value)) problems.push(`${file}:${line}: ${name} needs “key: value” lines below it.`);
    else groups.push({ name, line, entries: readEntries(pair.value.items as Pair<Node, Node | null>[]) });
  }

  const pairs = top.items as Pair<Node, Node | null>[];
  const isGrouped = (pair: Pair<Node, Node | null>): boolean => keyOf(pair) === groupKey && isMap(pair.value);
  for (const { value } of pairs.filter(isGrouped)) {
    for (const pair of (value as YAMLMap<Node, Node | null>).items) readGroup(pair);
  }
  return { entries: readEntries(pairs.filter((pair) => !isGrouped(pair))), groups, problems };
}

function nothingBut(problems: readonly string[]): ConfigFile {
  return { entries: [], groups: [], problems };
}

function keyOf({ key }: Pair<Node, Node | null>): string {
  return yaml().isScalar(key) ? String(key.value) : '';
}

function readText(file: string): { text: string } | { problem: string } {
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return { problem: `${file} is not a file.` };
    if (stat.size > MAX_FILE_BYTES) return { problem: `${file} is larger than a configuration file can be.` };
    return { text: readFileSync(file, 'utf8') };
  } catch (error) {
    return { problem: `${file} cannot be read: ${(error as Error).message}.` };
  }
}

function readValue(node: Node | null): OptionText | undefined {
  if (!yaml().isSeq(node)) return readScalar(node);
  const values = (node.items as (Node | null)[]).map(readScalar);
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** The text of a scalar: as it stands in the file for numbers and words, unquoted for strings. */
function readScalar(node: Node | null): string | undefined {
  if (!yaml().isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}
