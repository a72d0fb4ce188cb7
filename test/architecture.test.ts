import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../src/config/paths.js';

/**
 * Which folders (or files) of src/ a folder may import, besides itself and errors.ts. `Logger` and `Metrics` may be
 * imported as types from anywhere.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  net: [],
  http: [],
  oci: ['http'],
  registries: ['net', 'oci'],
  config: ['net', 'oci', 'registries'],
  telemetry: [],
  tls: ['net'],
  access: ['net', 'oci', 'http'],
  cache: ['oci', 'http'],
  upstream: ['net', 'oci', 'http', 'registries'],
  proxy: ['net', 'http', 'tls'],
  mirror: ['net', 'http', 'oci'],
  pipeline: ['net', 'oci', 'http', 'registries', 'access', 'cache', 'upstream'],
  inventory: ['net', 'http', 'oci', 'registries', 'access', 'cache'],
  admin: [
    ...['net', 'http', 'oci', 'registries', 'config', 'telemetry', 'tls', 'access', 'cache', 'upstream', 'pipeline'],
    'inventory',
  ],
  'app.ts': ['*'],
  'app-authority.ts': ['*'],
  'app-events.ts': ['*'],
  'app-outage.ts': ['*'],
  'app-readiness.ts': ['*'],
  'app-upstream.ts': ['*'],
  cli: [
    'net',
    'oci',
    'http',
    'registries',
    'config',
    'telemetry',
    'tls',
    'access',
    'cache',
    'upstream',
    'inventory',
    'app.ts',
  ],
  'main.ts': ['cli'],
};

/** Vendors that one folder shares; any other is imported by one file. */
const BY_FOLDER: ReadonlySet<string> = new Set(['node-forge', 'yargs']);

/** The only places that read the environment; all else is handed what it needs. */
const READS_ENVIRONMENT = /^(?:config\/|main\.ts$)/;

const TYPES_FOR_ALL: ReadonlySet<string> = new Set(['telemetry/log.ts', 'telemetry/metrics.ts']);

interface Import {
  readonly specifier: string;
  readonly isType: boolean;
}

interface Source {
  /** Below src/, with forward slashes. */
  readonly name: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const ROOT = path.join(PACKAGE_ROOT, 'src');
const FROM = /^(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'/gm;
const BARE_OR_DYNAMIC = /\bimport\s*\(?\s*'([^']+)'/g;

const SOURCES: readonly Source[] = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readSource(file.replaceAll(path.sep, '/')));

function readSource(name: string): Source {
  const text = readFileSync(path.join(ROOT, name), 'utf8');
  const named = [...text.matchAll(FROM)].map(([, type, specifier]) => ({
    specifier: specifier ?? '',
    isType: type !== undefined,
  }));
  const others = [...text.matchAll(BARE_OR_DYNAMIC)].map(([, specifier]) => ({
    specifier: specifier ?? '',
    isType: false,
  }));
  return { name, text, imports: [...named, ...others] };
}

/** The imported file below src/, for a relative import. */
function targetOf(source: Source, { specifier }: Import): string {
  return path.posix.join(path.posix.dirname(source.name), specifier).replace(/\.js$/, '.ts');
}

function folderOf(name: string): string {
  return name.split('/')[0] ?? '';
}

function ownImports(source: Source): readonly Import[] {
  return source.imports.filter(({ specifier }) => specifier.startsWith('.'));
}

function isAllowed(source: Source, entry: Import): boolean {
  const target = targetOf(source, entry);
  const [from, to] = [folderOf(source.name), folderOf(target)];
  if (from === to || target === 'errors.ts') return true;
  if (entry.isType && TYPES_FOR_ALL.has(target)) return true;
  const allowed = MAY_IMPORT[from] ?? [];
  if (allowed.includes('*')) return !['cli', 'main.ts'].includes(to);
  return allowed.includes(to);
}

/** The package of a bare specifier: `@keyv/sqlite`, `pino`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

describe('architecture', () => {
  it('reads the sources at all', () => {
    assert.ok(SOURCES.length > 20);
    const main = SOURCES.find(({ name }) => name === 'main.ts');
    assert.ok(main?.imports.some(({ specifier }) => specifier === './cli/run.js'));
  });

  it('has a place in the import table for every folder', () => {
    const folders = new Set(SOURCES.map(({ name }) => folderOf(name)));
    assert.deepEqual(
      [...folders].filter((folder) => !Object.hasOwn(MAY_IMPORT, folder)),
      [],
    );
  });

  it('imports between folders only as the table says', () => {
    const offences = SOURCES.flatMap((source) =>
      ownImports(source)
        .filter((entry) => !isAllowed(source, entry))
        .map((entry) => `${source.name} imports ${targetOf(source, entry)}`),
    );
    assert.deepEqual(offences, []);
  });

  it('imports only files that are there, ending in .js', () => {
    const offences = SOURCES.flatMap((source) =>
      ownImports(source)
        .filter((entry) => !entry.specifier.endsWith('.js') || !existsSync(path.join(ROOT, targetOf(source, entry))))
        .map((entry) => `${source.name} imports ${entry.specifier}`),
    );
    assert.deepEqual(offences, []);
  });

  it('has no import cycle, not even of types', () => {
    const imports = new Map(
      SOURCES.map((source) => [source.name, ownImports(source).map((one) => targetOf(source, one))]),
    );
    const done = new Set<string>();
    function visit(name: string, trail: readonly string[]): void {
      assert.ok(!trail.includes(name), `cycle: ${[...trail, name].join(' → ')}`);
      if (done.has(name)) return;
      for (const target of imports.get(name) ?? []) visit(target, [...trail, name]);
      done.add(name);
    }
    for (const { name } of SOURCES) visit(name, []);
  });

  it('imports each vendor in one file, or in the one folder that needs it', () => {
    const users = new Map<string, Set<string>>();
    for (const { name, imports } of SOURCES) {
      for (const { specifier } of imports) {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
        const vendor = packageOf(specifier);
        const user = BY_FOLDER.has(vendor) ? folderOf(name) : name;
        users.set(vendor, (users.get(vendor) ?? new Set()).add(user));
      }
    }
    const offences = [...users].filter(([, names]) => names.size > 1).map(([vendor, names]) => [vendor, ...names]);
    assert.deepEqual(offences, []);
  });

  it('uses every dependency, and nothing that is none', () => {
    const manifest = JSON.parse(readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const used = SOURCES.flatMap(({ imports }) => imports.map(({ specifier }) => specifier))
      .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
      .map(packageOf);
    assert.deepEqual([...new Set(used)].sort(), Object.keys(manifest.dependencies).sort());
  });

  it('reads the environment at the edge only', () => {
    const offences = SOURCES.filter(({ name, text }) => !READS_ENVIRONMENT.test(name) && /\bprocess\.env\b/.test(text));
    assert.deepEqual(
      offences.map(({ name }) => name),
      [],
    );
  });

  it('I20: goes on after no fault that nobody caught: Node says what it was and ends with 1', () => {
    const offences = SOURCES.filter(({ text }) =>
      /uncaughtException|unhandledRejection|unhandled-rejections/.test(text),
    );
    assert.deepEqual(
      offences.map(({ name }) => name),
      [],
    );
  });

  it('has a test for every source that does something', () => {
    const untested = SOURCES.filter(({ text }) =>
      /^export (?:async )?(?:function|class|const)|^const \w+ = await/m.test(text),
    )
      .map(({ name }) => name.replace(/\.ts$/, '.test.ts'))
      .filter((name) => !existsSync(path.join(PACKAGE_ROOT, 'test', name)));
    assert.deepEqual(untested, []);
  });

  it('names files in kebab case and exports nothing as default', () => {
    const offences = SOURCES.filter(
      ({ name, text }) => !/^(?:[a-z0-9-]+\/)*[a-z0-9-]+\.ts$/.test(name) || /^export default\b/m.test(text),
    );
    assert.deepEqual(
      offences.map(({ name }) => name),
      [],
    );
  });
});
