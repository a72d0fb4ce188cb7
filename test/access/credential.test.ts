import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { createCredentialReader } from '../../src/access/credential.js';
import { ProxyError } from '../../src/errors.js';

const HARMLESS = [
  ['Accept', 'application/json'],
  ['Accept-Encoding', 'gzip'],
  ['Connection', 'close'],
  ['Content-Type', 'text/plain'],
  ['Docker-Distribution-Api-Version', 'registry/2.0'],
  ['Host', 'registry.test'],
  ['If-None-Match', '"x"'],
  ['Range', 'bytes=0-0'],
  ['Referer', 'https://elsewhere.test'],
  ['User-Agent', 'docker/29'],
  ['Via', '1.1 somebody'],
  ['traceparent', '00-1-2-00'],
  ['tracestate', 'a=b'],
  ['baggage', 'a=b'],
  ['b3', '0'],
  ['X-Request-Id', '1'],
  ['X-Meta-Source-Client', 'containerd'],
  ['Proxy-Authorization', 'Basic eDp5'],
] as const;

const CREDENTIALS = [
  ['Authorization', 'Basic YWxpY2U6c2VjcmV0'],
  ['Cookie', 'session=1'],
  ['Private-Token', 't'],
  ['X-JFrog-Art-Api', 'k'],
  ['X-Registry-Auth', 'z'],
  ['Forwarded', 'for=10.1.2.3'],
  ['X-Forwarded-For', '10.1.2.3'],
  ['X-Forwarded-User', 'alice'],
  ['X-Forwarded-Client-Cert', 'Hash=1'],
  ['X-Real-IP', '10.1.2.3'],
  ['Accept-Token', 't'],
  ['Content-Api-Key', 'k'],
  ['If-Authorized', 'yes'],
  ['Proxy-User', 'alice'],
  ['X-Meta-Tenant', 'a'],
  ['X-Anything-New', '1'],
] as const;

/** What a real client sent, without what it proves itself by. */
interface Recording {
  readonly cold: readonly { readonly headers?: Readonly<Record<string, string>> }[];
}

describe('access/credential', () => {
  const reader = createCredentialReader();
  const nobody = reader.read([]);

  for (const [name, value] of HARMLESS) {
    it(`takes ${name} for no credential, in any case`, () => {
      assert.deepEqual(reader.read([name, value]), nobody);
      assert.deepEqual(reader.read([name.toUpperCase(), value]), nobody);
      assert.equal(nobody.anonymous, true);
    });
  }

  for (const [name, value] of CREDENTIALS) {
    it(`E14 and W6: takes ${name} for a credential, in any case`, () => {
      const read = reader.read([name, value]);
      assert.equal(read.anonymous, false);
      assert.notEqual(read.id, nobody.id);
      assert.equal(reader.read([name.toLowerCase(), value]).id, read.id);
      assert.notEqual(reader.read([name, `${value}2`]).id, read.id);
    });
  }

  it('takes every recorded client without a password for one and the same stranger', async () => {
    const folder = new URL('../integration/recordings/', import.meta.url);
    let requests = 0;
    for (const file of await readdir(folder)) {
      const recording = JSON.parse(await readFile(new URL(file, folder), 'utf8')) as Recording;
      for (const { headers } of recording.cold) {
        const raw = Object.entries(headers ?? {}).flat();
        assert.deepEqual(reader.read(raw), nobody, `${file}: ${raw.join(' ')}`);
        requests += 1;
      }
    }
    assert.ok(requests > 100);
  });

  it('does not depend on the order of the headers, nor on harmless ones between them', () => {
    const one = reader.read(['Authorization', 'Bearer a', 'Cookie', 'b=c']);
    assert.equal(reader.read(['Cookie', 'b=c', 'User-Agent', 'x', 'Authorization', 'Bearer a']).id, one.id);
  });

  it('tells apart what only looks alike when it is put together', () => {
    const ids = [
      ['X-A', '1', 'X-B', '2'],
      ['X-A', '1x-b:2'],
      ['X-A', '2', 'X-B', '1'],
      ['X-A', '1', 'X-A', '2'],
      ['X-A', '12'],
    ].map((headers) => reader.read(headers).id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it('refuses two Authorization headers, equal ones included', () => {
    for (const second of ['Bearer a', 'Bearer b']) {
      assert.throws(
        () => reader.read(['Authorization', 'Bearer a', 'AUTHORIZATION', second]),
        (error) => error instanceof ProxyError && error.code === 'bad-request' && !error.message.includes('Bearer'),
      );
    }
  });

  it('gives names that tell nothing and mean nothing to another process (W5)', () => {
    const { id } = reader.read(['Authorization', 'Basic YWxpY2U6c2VjcmV0']);
    assert.ok(!id.includes('YWxpY2U6c2VjcmV0'));
    assert.notEqual(createCredentialReader().read(['Authorization', 'Basic YWxpY2U6c2VjcmV0']).id, id);
  });

  it('is the same on a connection that shows the same again, another as soon as it shows something else', () => {
    const [one, other] = [{}, {}];
    const [alice, bob] = [
      ['Authorization', 'Basic YWxpY2U6c2VjcmV0'],
      ['authorization', 'Basic Ym9iOnNlY3JldA=='],
    ];
    const first = reader.read(alice, one);
    assert.equal(reader.read(['User-Agent', 'x', ...alice], one), first);
    assert.deepEqual(reader.read(bob, one), reader.read(bob));
    assert.notEqual(reader.read(bob, one).id, first.id);
    assert.deepEqual(reader.read([], one), nobody);
    assert.deepEqual(reader.read(alice, one), first);
    assert.deepEqual(reader.read(alice, other), first);
    assert.throws(() => reader.read([...alice, ...alice], one), { code: 'bad-request' });
  });
});
