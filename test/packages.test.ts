import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { nodeVersionProblem } from '../src/cli/node-version.js';
import { PACKAGE_ROOT } from '../src/config/paths.js';

/**
 * The oldest version of a package that may be installed, and why it may be no older. Advisory services cannot be asked
 * everywhere that tests run, so what is known is written down here.
 */
const MINIMUM: readonly (readonly [name: string, version: string, why: string])[] = [
  ['@keyv/sqlite', '4.0.8', 'measured with this release'],
  ['bcryptjs', '3.0.0', 'the line that is maintained, with types of its own'],
  ['cli-progress', '3.12.0', 'the line that is maintained'],
  ['cookie', '1.0.2', 'accepted names and paths with characters out of bounds'],
  ['fastify', '5.0.0', 'the line that is maintained'],
  ['http-mitm-proxy', '1.1.0', 'the release that the adapter seals'],
  ['ipaddr.js', '2.5.0', 'knows the address ranges that the guard relies on'],
  ['keyv', '5.6.0', 'has throwOnErrors'],
  ['lru-cache', '11.0.0', 'the line that is maintained'],
  ['node-forge', '1.4.0', 'older releases have published vulnerabilities'],
  ['pino', '10.4.0', 'the line that is maintained'],
  ['pino-pretty', '13.0.0', 'the line that is maintained'],
  ['prom-client', '15.0.0', 'the line that is maintained'],
  ['tar', '7.5.19', 'older releases have published vulnerabilities; sqlite3 asks for 6'],
  ['undici', '7.28.0', 'response-queue poisoning before'],
  ['yaml', '2.9.0', 'the line that is maintained'],
  ['yargs', '18.2.0', 'the line that is maintained'],
  ['zod', '4.0.0', 'the line that is maintained'],
];

/** Packages whose old releases are harmful wherever in the tree they sit; of others only our own copy counts. */
const HARMFUL_ANYWHERE: ReadonlySet<string> = new Set(['cookie', 'node-forge', 'tar', 'undici']);

/** Packages whose next major version needs a newer Node than ours. */
const BELOW: readonly (readonly [name: string, version: string])[] = [
  ['keyv', '6.0.0'],
  ['undici', '8.0.0'],
];

interface Lockfile {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly hasInstallScript?: boolean;
        readonly dev?: boolean;
        readonly integrity?: string;
        readonly link?: boolean;
        readonly optional?: boolean;
        readonly dependencies?: Readonly<Record<string, string>>;
        readonly devDependencies?: Readonly<Record<string, string>>;
      }
    >
  >;
}

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
  readonly engines: { readonly node: string };
}

function readManifest(): Manifest {
  return JSON.parse(readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8')) as Manifest;
}

function readLockfile(): Lockfile {
  return JSON.parse(readFileSync(path.join(PACKAGE_ROOT, 'package-lock.json'), 'utf8')) as Lockfile;
}

/** Every installed copy of a package: the version by its place. */
function copiesOf(name: string): readonly (readonly [string, string])[] {
  return Object.entries(readLockfile().packages)
    .filter(([place]) => place === `node_modules/${name}` || place.endsWith(`/node_modules/${name}`))
    .map(([place, { version = '' }]) => [place, version]);
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [numbers(version), numbers(than)];
  const at = a.findIndex((part, index) => part !== b[index]);
  return at >= 0 && (a[at] ?? 0) < (b[at] ?? 0);
}

function numbers(version: string): readonly number[] {
  const found = /^(\d+)\.(\d+)\.(\d+)$/.exec(version);
  assert.ok(found, `${version} is a version that this test cannot compare`);
  return found.slice(1).map(Number);
}

describe('packages', () => {
  it('compares versions by number', () => {
    assert.ok(isOlder('1.9.0', '1.10.0'));
    assert.ok(isOlder('7.27.9', '7.28.0'));
    assert.ok(!isOlder('7.28.0', '7.28.0'));
    assert.ok(!isOlder('10.0.0', '9.9.9'));
  });

  for (const [name, minimum, why] of MINIMUM) {
    it(`L03: has no ${name} before ${minimum}: ${why}`, () => {
      const copies = copiesOf(name).filter(([place]) => HARMFUL_ANYWHERE.has(name) || place === `node_modules/${name}`);
      assert.ok(copies.length > 0, `${name} is not in the lockfile`);
      assert.deepEqual(
        copies.filter(([, version]) => isOlder(version, minimum)),
        [],
      );
    });
  }

  for (const [name, limit] of BELOW) {
    it(`has no ${name} from ${limit} on, which needs a newer Node`, () => {
      assert.deepEqual(
        copiesOf(name).filter(([place, version]) => place === `node_modules/${name}` && !isOlder(version, limit)),
        [],
      );
    });
  }

  it('L03: has a minimum for every dependency', () => {
    const known = new Set(MINIMUM.map(([name]) => name));
    assert.deepEqual(
      Object.keys(readManifest().dependencies).filter((name) => !known.has(name)),
      [],
    );
  });

  it('L02: has a lockfile in step with the manifest', () => {
    const { dependencies, devDependencies } = readManifest();
    const root = readLockfile().packages[''];
    assert.deepEqual({ ...root?.dependencies }, dependencies);
    assert.deepEqual({ ...root?.devDependencies }, devDependencies);
  });

  it('L02: knows the bytes of every package that is installed everywhere, and links to none', () => {
    const packages = Object.entries(readLockfile().packages).filter(([place]) => place !== '');
    const loose = packages.filter(
      ([, { integrity, optional, link }]) =>
        link === true || (optional !== true && integrity?.startsWith('sha512-') !== true),
    );
    assert.deepEqual(
      loose.map(([place]) => place),
      [],
    );
    assert.ok(packages.length > 100);
  });

  it('L02: runs the install script of one package only at run time, and lets one more build tests', () => {
    const scripts = Object.entries(readLockfile().packages).filter(([, { hasInstallScript }]) => hasInstallScript);
    const atRunTime = scripts.filter(([, { dev }]) => dev !== true).map(([place]) => place);
    assert.deepEqual(atRunTime, ['node_modules/sqlite3']);
    // Those that may run; protobufjs, which tests of CRI use, has one that only prints.
    assert.deepEqual(Object.keys(readManifest().allowScripts).sort(), ['esbuild', 'sqlite3']);
    assert.deepEqual(
      scripts.map(([place]) => place).filter((place) => !/\/(?:sqlite3|esbuild|protobufjs)$/.test(place)),
      [],
    );
  });

  it('L01: asks npm for a Node that the program itself would take', () => {
    const [, oldest = ''] = /^>=(\d+\.\d+\.\d+)$/.exec(readManifest().engines.node) ?? [];
    assert.equal(nodeVersionProblem(oldest), undefined);
  });

  it('leaves all cryptography to node:crypto, where FIPS counts', () => {
    const sources = readdirSync(path.join(PACKAGE_ROOT, 'src'), { recursive: true, encoding: 'utf8' });
    const texts = sources
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [file, readFileSync(path.join(PACKAGE_ROOT, 'src', file), 'utf8')] as const);
    const offences = texts.filter(
      ([, text]) =>
        /\bforge\.(?!asn1\b|util\b)\w+/.test(text) ||
        /['"](?:md5|sha1|rc4|des3?)['"]/i.test(text) ||
        /Math\.random/.test(text),
    );
    assert.deepEqual(
      offences.map(([file]) => file),
      [],
    );
    assert.ok(texts.some(([, text]) => /\bforge\.asn1\b/.test(text)));
  });
});
