import assert from 'node:assert/strict';
import type { Digest } from '../../src/oci/digest.js';
import type { RegistryRoute } from '../../src/oci/route.js';
import { type Decision, decide, type RequestFacts } from '../../src/pipeline/decide.js';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const blob: RegistryRoute = { kind: 'blob', repository: 'a', reference: digest, digest };
const manifest: RegistryRoute = { kind: 'manifest', repository: 'a', reference: digest, digest };
const tag: RegistryRoute = { kind: 'manifest', repository: 'a', reference: 'v1', digest: undefined };

const table: readonly (readonly [RequestFacts, Decision])[] = [
  [
    { method: 'GET', route: { kind: 'ping' } },
    { action: 'forward', reason: 'not-content' },
  ],
  [
    { method: 'GET', route: { kind: 'other' } },
    { action: 'forward', reason: 'not-content' },
  ],
  [
    { method: 'PATCH', route: { kind: 'upload', repository: 'a' } },
    { action: 'forward', reason: 'not-content' },
  ],
  [
    { method: 'HEAD', route: blob },
    { action: 'forward', reason: 'head' },
  ],
  [
    { method: 'HEAD', route: manifest, permission: 'granted', usable: true },
    { action: 'forward', reason: 'head' },
  ],
  [
    { method: 'HEAD', route: tag },
    { action: 'forward', reason: 'head' },
  ],
  [
    { method: 'PUT', route: tag },
    { action: 'forward', reason: 'write' },
  ],
  [
    { method: 'DELETE', route: manifest },
    { action: 'forward', reason: 'write' },
  ],
  [
    { method: 'GET', route: tag },
    { action: 'resolve', reason: 'tag' },
  ],
  [
    { method: 'GET', route: tag, permission: 'public', usable: true },
    { action: 'resolve', reason: 'tag' },
  ],
  [
    { method: 'GET', route: blob },
    { action: 'authorise', reason: 'digest' },
  ],
  [
    { method: 'GET', route: blob, usable: true },
    { action: 'authorise', reason: 'digest' },
  ],
  [
    { method: 'GET', route: manifest },
    { action: 'authorise', reason: 'digest' },
  ],
  [
    { method: 'GET', route: blob, permission: 'granted' },
    { action: 'look-up', reason: 'granted' },
  ],
  [
    { method: 'GET', route: blob, permission: 'probed', usable: true },
    { action: 'serve', reason: 'probed' },
  ],
  [
    { method: 'GET', route: manifest, permission: 'public', usable: true },
    { action: 'serve', reason: 'public' },
  ],
  [
    { method: 'GET', route: blob, permission: 'public', usable: false },
    { action: 'fill', reason: 'not-held' },
  ],
];

describe('pipeline/decide', () => {
  for (const [facts, expected] of table) {
    const { method, route, permission, usable } = facts;
    const held = usable === undefined ? 'not looked up' : usable ? 'usable' : 'not usable';
    const what = route.kind === 'manifest' && route.digest === undefined ? 'tag' : route.kind;
    it(`${expected.action}s a ${method} of a ${what}, permission ${permission ?? 'unknown'}, ${held}`, () => {
      assert.deepEqual(decide(facts), expected);
    });
  }
});
