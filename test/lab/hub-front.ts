import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Certificates } from './certificates.js';
import { signUrl } from './signed-url.js';
import { hubBackend, topology } from './topology.js';
import type { SeenRequest } from './upstream-log.js';

const blobPath = /^\/v2\/.+\/blobs\/sha256:(?<hex>[0-9a-f]{64})$/;

/** Docker Hub's front: the registry behind it answers everything but blob bodies, which are redirected to the CDN. */
export async function startHubFront(certificates: Certificates, seen: SeenRequest[]): Promise<Server> {
  const agent = new Agent({ keepAlive: true });
  const tls = {
    key: readFileSync(certificates.serverKeyFile),
    cert: readFileSync(certificates.serverCertificateFile),
  };

  function ask(incoming: IncomingMessage, method: string, use: (reply: IncomingMessage) => void): ClientRequest {
    const headers = { ...incoming.headers };
    if (method !== incoming.method) delete headers.range;
    return httpRequest({ ...hubBackend, agent, method, path: incoming.url, headers }, use);
  }

  function passOn(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const question = ask(incoming, incoming.method ?? 'GET', (reply) => {
      outgoing.writeHead(reply.statusCode ?? 502, { ...reply.headers, ...frontHeaders(incoming) });
      reply.pipe(outgoing);
    });
    question.on('error', () => outgoing.destroy());
    incoming.pipe(question);
  }

  /** The registry is asked by HEAD whether this client may have the blob, and the CDN delivers it. */
  function redirect(hex: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const question = ask(incoming, 'HEAD', (reply) => {
      reply.resume();
      if (reply.statusCode !== 200) {
        passOn(incoming, outgoing);
        return;
      }
      const location = signUrl(`/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`);
      const body = `<a href="${location}">Temporary Redirect</a>.\n\n`;
      outgoing.writeHead(307, { location, 'content-type': 'application/octet-stream', 'content-length': body.length });
      outgoing.end(body);
    });
    question.on('error', () => outgoing.destroy());
    question.end();
  }

  const server = createServer(tls, (incoming, outgoing) => {
    let bytes = 0;
    const write = outgoing.write.bind(outgoing) as (chunk: Buffer) => boolean;
    outgoing.write = ((chunk: Buffer) => {
      bytes += chunk.length;
      return write(chunk);
    }) as typeof outgoing.write;
    outgoing.on('close', () => {
      seen.push({
        place: 'hub',
        method: incoming.method ?? '',
        path: incoming.url ?? '',
        status: outgoing.statusCode,
        bytes,
        userAgent: incoming.headers['user-agent'] ?? '',
      });
    });
    const hex = incoming.method === 'GET' ? blobPath.exec(incoming.url ?? '')?.groups?.['hex'] : undefined;
    if (hex === undefined) passOn(incoming, outgoing);
    else redirect(hex, incoming, outgoing);
  });
  server.on('close', () => agent.destroy());
  server.listen(443, topology.hub.address);
  await once(server, 'listening');
  return server;
}

/** What Docker Hub adds to the registry's own headers; the rate limit stands on manifest GETs only. */
function frontHeaders(incoming: IncomingMessage): Record<string, string> {
  const always = { 'strict-transport-security': 'max-age=31536000' };
  if (incoming.method !== 'GET' || incoming.url?.includes('/manifests/') !== true) return always;
  return {
    ...always,
    'ratelimit-limit': '100;w=21600',
    'ratelimit-remaining': '99;w=21600',
    'docker-ratelimit-source': '127.0.0.1',
  };
}
