import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { PACKAGE_ROOT } from '../src/config/paths.js';

/**
 * The oldest version of a package that may be installed, and why it may be no older. Advisory services cannot be asked
 * everywhere that tests run, so what is known is written down here.
 */
const MINIMUM: readonly (readonly [name: string, version: string, why: string])[] = [
  ['@keyv/sqlite', '4.0.8', 'measured with this release'],
  ['bcryptjs', '3.0.0', 'the line that is maintained, with types of its own'],
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
      }
    >
  >;
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
    it(`has no ${name} before ${minimum}: ${why}`, () => {
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

  it('has a minimum for every dependency', () => {
    const manifest = JSON.parse(readFileSync(path.join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const known = new Set(MINIMUM.map(([name]) => name));
    assert.deepEqual(
      Object.keys(manifest.dependencies).filter((name) => !known.has(name)),
      [],
    );
  });

  it('runs the install script of one package only, at run time', () => {
    const scripts = Object.entries(readLockfile().packages)
      .filter(([, { hasInstallScript, dev }]) => hasInstallScript === true && dev !== true)
      .map(([place]) => place);
    assert.deepEqual(scripts, ['node_modules/sqlite3']);
  });
});
