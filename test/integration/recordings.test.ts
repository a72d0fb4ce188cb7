import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import type tls from 'node:tls';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type Credential, fetchToken, hasDigest, type ProxyAnswer, proxyGet } from '../support/pull.js';
import { openTlsTunnel } from '../support/raw-client.js';
import { seededBytes, type TestImage, type TestManifest } from '../support/registry-content.js';
import { summary } from '../support/registry-log.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * What real clients really send.
 *
 * The files in recordings/ hold the requests of real clients, in their order, with their headers and connections, and
 * the status that each got from a registry (the client's own redirects left out: those the proxy follows). Replayed on
 * a cold proxy, each request gets the status it got then, and content gets the right bytes. Replayed again, by the same
 * client or one that has forgotten everything, nothing moves from upstream but answers without content.
 */

interface Step {
  /** Requests of one number went over one connection. */
  readonly connection: number;
  readonly method: 'GET' | 'HEAD';
  /** ping, tag, index, `child N` and `blob N` of the image; token for a visit to the token server. */
  readonly what: string;
  readonly query?: string;
  readonly authorized?: boolean;
  readonly status: number;
  /** Absent for a visit to the token server. */
  readonly headers?: Readonly<Record<string, string>>;
}

interface Recording {
  readonly client: string;
  readonly agent: string;
  readonly auth: 'none' | 'basic' | 'token';
  readonly format: 'oci' | 'docker';
  readonly index: boolean;
  readonly children: number;
  readonly blobs: number;
  readonly cold: readonly Step[];
  /** What the client sent when it pulled again with its own store full. */
  readonly repeat?: readonly Step[];
}

const FOLDER = new URL('recordings/', import.meta.url);
const ALICE: Credential = { user: 'alice', password: 'secret' };
/** Layers are as large as the ranges of the partial pull ask for. */
const LAYER_BYTES = 12_600_000;

interface Fixture {
  readonly top: TestManifest;
  readonly children: readonly TestImage[];
}

describe('integration/recordings', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  for (const file of readdirSync(FOLDER)) {
    const recording = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Recording;

    it(`replays ${recording.client}`, async () => {
      registry = await startFakeRegistry({ auth: recording.auth, delivery: { redirect: 307 } });
      if (recording.auth !== 'none') registry.auth.setAccess('team/app', ['alice']);
      const fixture = addImage(registry, recording);
      proxy = await startProxy({ registries: [registry] });
      await replay(recording, recording.cold, fixture);
      await proxy.settled();
      for (const steps of [recording.repeat ?? recording.cold, recording.cold]) {
        registry.forget();
        await replay(recording, steps, fixture);
        const moved = registry.find({ own: false, method: 'GET', status: 200 });
        const content = moved.filter(({ kind }) => ['manifest', 'blob', 'data'].includes(kind));
        assert.deepEqual(content.map(summary), []);
      }
    });
  }

  it('has a recording of each of fifteen kinds of client', () => {
    assert.ok(readdirSync(FOLDER).length >= 15);
  });

  async function replay({ agent }: Recording, steps: readonly Step[], fixture: Fixture): Promise<void> {
    const sockets = new Map<number, tls.TLSSocket>();
    let challenge = '';
    let authorization: string | undefined;
    for (const step of steps) {
      if (step.what === 'token') {
        authorization = await fetchToken(proxy.way, challenge, 'repository:team/app:pull', ALICE);
        continue;
      }
      if (step.authorized === true) authorization ??= await fetchToken(proxy.way, challenge, '', ALICE);
      const target = { ...proxy.way, authority: registry.authority };
      let socket = sockets.get(step.connection);
      if (socket === undefined || socket.destroyed) socket = await openTlsTunnel(target);
      sockets.set(step.connection, socket);
      const headers = ['User-Agent', agent, ...Object.entries(step.headers ?? {}).flat()];
      if (step.authorized === true) headers.push('Authorization', authorization ?? '');
      const [path, content] = whatOf(step.what, fixture);
      const query = step.query === undefined ? '' : `?${step.query}`;
      const answer = await proxyGet({ ...target, socket, method: step.method, path: path + query, headers });
      check(step, answer, content);
      challenge = answer.header('www-authenticate') ?? challenge;
      if (answer.header('connection') === 'close') socket.destroy();
    }
    for (const socket of sockets.values()) socket.destroy();
  }
});

function addImage(registry: FakeRegistry, recording: Recording): Fixture {
  const { content } = registry;
  const partial = recording.cold.some((step) => step.headers?.['Range'] !== undefined);
  const size = partial ? LAYER_BYTES : 100_000;
  const children = Array.from({ length: recording.children }, (_, child) => {
    const count = child === 0 ? Math.max(1, recording.blobs - 1) : 1;
    const layers = Array.from({ length: count }, (_, i) => seededBytes(size, `${recording.client} ${child} ${i}`));
    const tag = recording.index || child > 0 ? undefined : 'v1';
    return content.addImage('team/app', tag, { layers, format: recording.format, label: `child ${child}` });
  });
  const top = recording.index ? content.addIndex('team/app', 'v1', children, recording.format) : children[0];
  assert.ok(top !== undefined);
  return { top, children };
}

/** The path of what a step asks for, and the content that it must get. */
function whatOf(what: string, { top, children }: Fixture): readonly [string, TestManifest | undefined] {
  const [kind, number] = what.split(' ');
  if (kind === 'ping') return ['/v2/', undefined];
  if (kind === 'tag') return ['/v2/team/app/manifests/v1', top];
  const [image] = children;
  const blobs = image === undefined ? [] : [image.config, ...image.layers];
  const content = kind === 'index' ? top : (kind === 'child' ? children : blobs)[Number(number)];
  assert.ok(content !== undefined, what);
  return [`/v2/team/app/${kind === 'blob' ? 'blobs' : 'manifests'}/${content.digest}`, content];
}

function check(step: Step, answer: ProxyAnswer, content: TestManifest | undefined): void {
  const what = `${step.method} ${step.what}`;
  assert.equal(answer.status, step.status, `${what}: ${answer.body.subarray(0, 200).toString()}`);
  assert.ok(answer.complete, what);
  if (content === undefined || step.status === 401) return;
  if (step.method === 'HEAD') {
    assert.equal(answer.header('docker-content-digest'), content.digest, what);
    assert.equal(answer.header('content-length'), String(content.bytes.length), what);
  } else if (step.status === 200) assert.ok(hasDigest(answer.body, content.digest), what);
  else checkRanges(step.headers?.['Range'] ?? '', answer, content);
}

function checkRanges(range: string, answer: ProxyAnswer, content: TestManifest): void {
  const ranges = range
    .replace('bytes=', '')
    .split(',')
    .map((text) => text.split('-').map(Number));
  const parts = ranges.map(([start = 0, end = 0]) => content.bytes.subarray(start, end + 1));
  if (parts.length === 1) assert.ok(answer.body.equals(parts[0] ?? Buffer.alloc(0)), range);
  else {
    assert.match(answer.header('content-type') ?? '', /^multipart\/byteranges/);
    for (const part of parts) assert.ok(answer.body.includes(part), range);
  }
}
