import { readFileSync, statSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml';
import type { OptionText } from './schema.js';

export interface FileEntry {
  readonly key: string;
  readonly value: OptionText;
  /** Counted from 1. */
  readonly line: number;
}

/** What a configuration file says, and what is wrong with its form. Problems name file and line. */
export interface ConfigFile {
  readonly entries: readonly FileEntry[];
  readonly problems: readonly string[];
}

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads a YAML file of option keys, each with a scalar or a sequence of scalars. Values are kept as they are written:
 * what a number, a size or a duration is, the option decides.
 */
export function readConfigFile(file: string): ConfigFile {
  const read = readText(file);
  if ('problem' in read) return { entries: [], problems: [read.problem] };
  const lines = new LineCounter();
  const document = parseDocument(read.text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const lineOf = (node: unknown): number => lines.linePos((node as Node | null)?.range?.[0] ?? 0).line;
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.length > 0) {
    const problems = syntax.map((fault) => `${file}:${lines.linePos(fault.pos[0]).line}: ${fault.message}`);
    return { entries: [], problems };
  }
  const top = document.contents;
  if (top === null || (isScalar(top) && top.value === null)) return { entries: [], problems: [] };
  if (!isMap(top)) {
    return { entries: [], problems: [`${file}:${lineOf(top)}: expected options as “key: value” lines.`] };
  }

  const entries: FileEntry[] = [];
  const problems: string[] = [];
  for (const pair of top.items as Pair<Node, Node | null>[]) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const line = lineOf(pair.key);
    const value = readValue(pair.value);
    if (value === undefined) problems.push(`${file}:${line}: ${key} needs a value, or a list of values.`);
    else entries.push({ key, value, line });
  }
  return { entries, problems };
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
  if (!isSeq(node)) return readScalar(node);
  const values = (node.items as (Node | null)[]).map(readScalar);
  return values.every((value) => value !== undefined) ? values : undefined;
}

/** The text of a scalar: as it stands in the file for numbers and words, unquoted for strings. */
function readScalar(node: Node | null): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}
