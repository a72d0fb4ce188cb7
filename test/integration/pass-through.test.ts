import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.js';
import { type ProxyAnswer, proxyGet, proxyOpen } from '../support/pull.js';
import { pullImage } from '../support/pull-image.js';
import { connectRaw, exchangeRaw, openTlsTunnel, openTunnel } from '../support/raw-client.js';
import { digestText, seededBytes, type TestImage } from '../support/registry-content.js';
import { startProxy, type TestProxy } from '../support/start-proxy.js';

/*
 * What is not a pull goes through untouched.
 *
 * Pings, tokens, lists, referrers, uploads and deletions reach the registry as the client sent them and come back as
 * the registry answered, body for body and header for header, save what belongs to a connection and the Via and
 * Cache-Status that a proxy adds. They are streamed, both ways, and nothing of them is stored. Hosts that are not
 * opened are tunnelled, and what comes out is what went in.
 */

const ADDED = new Set(['cache-status', 'date', 'connection', 'keep-alive', 'transfer-encoding']);

function endToEnd(answer: ProxyAnswer): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < answer.rawHeaders.length; i += 2) {
    const name = answer.rawHeaders[i]?.toLowerCase() ?? '';
    if (!ADDED.has(name)) pairs.push(`${name}: ${answer.rawHeaders[i + 1]}`);
  }
  return pairs.sort();
}

describe('integration/pass-through', () => {
  let registry: FakeRegistry;
  let proxy: TestProxy;
  let image: TestImage;

  beforeEach(async () => {
    registry = await startFakeRegistry();
    image = registry.content.addImage('a', 'v1');
    registry.content.addImage('a', 'v2', { label: '2' });
    registry.content.addImage('a', 'v3', { label: '3' });
    registry.content.addArtifact('a', image, Buffer.from('an SBOM'));
    proxy = await startProxy({ registries: [registry] });
  });
  afterEach(async () => {
    await proxy?.close();
    await registry?.close();
  });

  function send(
    method: string,
    path: string,
    body?: Uint8Array,
    headers: readonly string[] = [],
  ): Promise<ProxyAnswer> {
    return proxyGet({ ...proxy.way, authority: registry.authority, method, path, headers, ...(body && { body }) });
  }

  const READS = [
    '/v2/',
    '/v2/_catalog',
    '/v2/_catalog?n=1',
    '/v2/a/tags/list',
    '/v2/a/tags/list?n=1',
    '/v2/a/tags/list?n=1&last=v1',
    '/v2/unknown/tags/list',
    '/v2/a/manifests/unknown',
    '/',
    '/favicon.ico',
    '/v2/../etc/passwd',
    '/v2/%61/manifests/v1',
    '//v2/a/manifests/v1',
    '/v2/a/manifests/v1;x=1',
  ];
  for (const path of READS) {
    it(`answers GET ${path} as the registry does, twice (G14)`, async () => {
      const direct = await proxyGet({ ca: registry.ca, authority: registry.authority, path });
      for (let round = 0; round < 2; round += 1) {
        const answer = await send('GET', path);
        assert.equal(answer.status, direct.status);
        assert.deepEqual(answer.body, direct.body);
        assert.deepEqual(endToEnd(answer), endToEnd(direct));
      }
      assert.deepEqual(
        registry.find({ own: false }).map((request) => request.path),
        [path, path, path],
      );
      assert.equal(await proxy.metric('entrepot_store_entries'), 0);
    });
  }

  it('passes referrers on, with their filters, and never from memory (G12)', async () => {
    const path = `/v2/a/referrers/${image.digest}?artifactType=application%2Fspdx%2Bjson`;
    assert.equal(
      (JSON.parse((await send('GET', path)).body.toString()) as { manifests: unknown[] }).manifests.length,
      1,
    );
    registry.content.addArtifact('a', image, Buffer.from('a signature'));
    const answer = await send('GET', path);
    assert.equal((JSON.parse(answer.body.toString()) as { manifests: unknown[] }).manifests.length, 2);
    assert.equal(answer.header('content-type'), 'application/vnd.oci.image.index.v1+json');
  });

  it('says upstream that it stands in between, and keeps the client’s own headers', async () => {
    await send('GET', '/v2/', undefined, [
      'X-Custom',
      'a',
      'x-custom',
      'b',
      'Proxy-Authorization',
      'secret',
      'TE',
      'trailers',
    ]);
    const [{ headers } = { headers: [] }] = registry.requests;
    const names = headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    assert.deepEqual(
      headers.filter((_, i) => i % 2 === 1 && /^x-custom$/i.test(headers[i - 1] ?? '')),
      ['a', 'b'],
    );
    assert.ok(headers.some((value) => /^1\.1 entrepot-[A-Za-z0-9]+$/.test(value)));
    for (const name of ['proxy-authorization', 'te', 'proxy-connection'])
      assert.equal(names.includes(name), false, name);
  });

  it('carries a push in pieces, and gives the pushed image back (G12)', async () => {
    const bytes = seededBytes(300_000, 'pushed');
    const digest = digestText(bytes);
    assert.equal((await send('HEAD', `/v2/new/app/blobs/${digest}`)).status, 404);
    const opened = await send('POST', '/v2/new/app/blobs/uploads/', Buffer.alloc(0));
    assert.equal(opened.status, 202);
    assert.equal(opened.header('oci-chunk-min-length'), '1024');
    assert.ok(opened.header('docker-upload-uuid') !== undefined);
    let location = opened.header('location') ?? '';
    for (let at = 0; at < bytes.length; at += 100_000) {
      const range = ['Content-Range', `${at}-${at + 99_999}`];
      const patched = await send('PATCH', location, bytes.subarray(at, at + 100_000), range);
      assert.equal(patched.status, 202);
      assert.equal(patched.header('range'), `0-${at + 99_999}`);
      location = patched.header('location') ?? '';
    }
    assert.equal((await send('PUT', `${location}&digest=${digest}`, Buffer.alloc(0))).status, 201);
    assert.equal((await send('HEAD', `/v2/new/app/blobs/${digest}`)).status, 200);
    const descriptor = { mediaType: 'application/octet-stream', digest, size: bytes.length };
    const type = 'application/vnd.oci.image.manifest.v1+json';
    const document = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: type, config: descriptor, layers: [descriptor] }),
    );
    const put = await send('PUT', '/v2/new/app/manifests/v1', document, ['Content-Type', type]);
    assert.equal(put.header('docker-content-digest'), digestText(document));
    assert.equal(await proxy.metric('entrepot_store_entries'), 0);
    const request = { ...proxy.way, authority: registry.authority, repository: 'new/app', reference: 'v1' };
    assert.equal((await pullImage({ ...request, style: 'docker' })).digest, digestText(document));
  });

  it('carries a chunked body of a push as it comes', async () => {
    const bytes = seededBytes(100_000, 'chunked');
    const opened = await send('POST', '/v2/b/blobs/uploads/', Buffer.alloc(0));
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    const path = opened.header('location') ?? '';
    socket.write(`PATCH ${path} HTTP/1.1\r\nHost: ${registry.authority}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    socket.write(`${(40_000).toString(16)}\r\n`);
    socket.write(bytes.subarray(0, 40_000));
    const arrived = await registry.arrived({ method: 'PATCH' });
    assert.equal(arrived.body.length, 0, 'the registry has the head before the body is whole');
    socket.write(`\r\n${(60_000).toString(16)}\r\n`);
    socket.write(bytes.subarray(40_000));
    socket.write('\r\n0\r\n\r\n');
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    assert.match(chunk.toString('latin1'), /^HTTP\/1\.1 202 /);
    socket.destroy();
    assert.ok(arrived.body.equals(bytes));
  });

  it('answers Expect: 100-continue before the body', async () => {
    const bytes = seededBytes(50_000, 'expect');
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    const path = `/v2/b/blobs/uploads/?digest=${digestText(bytes)}`;
    const head = `POST ${path} HTTP/1.1\r\nHost: ${registry.authority}\r\nExpect: 100-continue\r\nContent-Length: ${bytes.length}\r\n\r\n`;
    socket.write(head);
    const [interim] = (await once(socket, 'data')) as [Buffer];
    assert.match(interim.toString('latin1'), /^HTTP\/1\.1 100 /);
    socket.write(bytes);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString('latin1'), /^HTTP\/1\.1 201 /);
    socket.destroy();
    assert.deepEqual(registry.content.findBlob('b', digestText(bytes)), bytes);
  });

  it('mounts a blob from another repository (G12)', async () => {
    const digest = image.config.digest;
    const answer = await send('POST', `/v2/c/blobs/uploads/?mount=${digest}&from=a`, Buffer.alloc(0));
    assert.equal(answer.status, 201);
    assert.equal(answer.header('location'), `/v2/c/blobs/${digest}`);
  });

  it('passes a deletion on, and gives nothing of what is gone (G12, W12)', async () => {
    const path = `/v2/a/manifests/${image.digest}`;
    const accept = ['Accept', '*/*'];
    assert.equal((await send('GET', path, undefined, accept)).status, 200);
    assert.match((await send('GET', path, undefined, accept)).header('cache-status') ?? '', /hit/);
    assert.equal((await send('DELETE', path)).status, 202);
    assert.equal((await send('GET', '/v2/a/manifests/v1', undefined, accept)).status, 404);
    assert.equal((await send('HEAD', path, undefined, accept)).status, 404);
    assert.equal((await send('GET', path, undefined, accept)).status, 404);
  });

  it('streams a large answer at the pace of its client', async () => {
    const large = Buffer.alloc(64 * 1024 * 1024, 'x');
    registry.misbehave({ path: /^\/large/ }, { status: 200, body: large });
    const answer = await proxyOpen({ ...proxy.way, authority: registry.authority, path: '/large' });
    await answer.read(1000);
    const [sent] = registry.find({ path: /^\/large/ });
    assert.ok((sent?.sentBytes ?? large.length) < large.length, `${sent?.sentBytes} bytes were taken in`);
    answer.hangUp();
    await sent?.over;
    assert.equal(sent?.outcome, 'aborted');
  });

  it('lets an upload go when its client does', async () => {
    const socket = await openTlsTunnel({ ...proxy.way, authority: registry.authority });
    socket.write(
      `PUT /v2/b/blobs/uploads/x HTTP/1.1\r\nHost: ${registry.authority}\r\nContent-Length: 1000000\r\n\r\n12345`,
    );
    const arrived = await registry.arrived({ method: 'PUT' });
    socket.destroy();
    await arrived.over;
    assert.equal(arrived.outcome, 'aborted');
  });

  it('tunnels a host that is not opened, byte for byte, half-closed or not (G14)', async () => {
    const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
      const seen: Buffer[] = [];
      socket.on('data', (chunk) => seen.push(chunk));
      socket.on('end', () => socket.end(Buffer.concat([Buffer.from('seen '), ...seen])));
    });
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = echo.address() as net.AddressInfo;
      await proxy.close();
      proxy = await startProxy({ registries: [registry], flags: { 'connect-ports': String(port) } });
      const socket = await openTunnel({ proxy: proxy.place, authority: `127.0.0.1:${port}` });
      socket.end('not TLS at all');
      const chunks: Buffer[] = [];
      for await (const chunk of socket) chunks.push(chunk as Buffer);
      assert.equal(Buffer.concat(chunks).toString(), 'seen not TLS at all');
    } finally {
      await new Promise((resolve) => echo.close(resolve));
    }
  });

  it('gives its certificate on the proxy port, and explains itself to a browser', async () => {
    const pem = await exchangeRaw(proxy.place, 'GET /ca.crt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(pem, /^HTTP\/1\.1 200 [\s\S]*-----BEGIN CERTIFICATE-----/);
    const page = await exchangeRaw(proxy.place, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    assert.match(page, /^HTTP\/1\.1 400 /);
  });

  it('refuses what it is not for, and lives on', async () => {
    const client = await connectRaw(proxy.place);
    client.send('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n');
    assert.match(await client.readUntil('\r\n'), /^HTTP\/1\.1 403 /);
    client.destroy();
    const own = `CONNECT ${proxy.place.host}:${proxy.place.port} HTTP/1.1\r\nHost: x\r\n\r\n`;
    assert.match(await exchangeRaw(proxy.place, own), /^HTTP\/1\.1 403 /);
    assert.equal((await send('GET', '/v2/')).status, 200);
  });

  it('refuses a request that has been through it before', async () => {
    await send('GET', '/v2/');
    const via = registry.requests[0]?.headers.find((value) => value.startsWith('1.1 entrepot-')) ?? '';
    const answer = await send('GET', '/v2/', undefined, ['Via', `1.0 fred, ${via}`]);
    assert.equal(answer.status, 508);
    assert.equal((await send('GET', '/v2/', undefined, ['Via', '1.1 entrepot-another'])).status, 200);
  });
});
