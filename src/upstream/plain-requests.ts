import { Readable } from 'node:stream';
import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import { setHeader } from '../http/headers.js';
import { formatAuthority } from '../net/authority.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from './contract.js';
import { ParentRefusal } from './parent-connect.js';
import type { Parents } from './parents.js';

export interface PlainRequestOptions {
  /** For https, and for what goes straight. */
  readonly client: UpstreamClient;
  /** Speaks with the parents themselves. */
  readonly toParents: UpstreamClient;
  readonly parents: Parents;
  /** Throws for what may not be reached, as far as that can be told from its name. */
  readonly check: (target: Target) => void;
}

/** Faults from before a request was sent. */
const UNSENT = new Set(['upstream-connect', 'upstream-dns', 'loop', 'egress-refused']);

/**
 * Sends requests to upstreams without TLS through the parents, in absolute form (RFC 9112 section 3.2.2), as proxies
 * expect it: few let a CONNECT through to port 80, and a cache among them wants to see the request.
 */
export function withPlainRequests({ client, toParents, parents, check }: PlainRequestOptions): UpstreamClient {
  async function sendTo(parent: Target, authorization: string | undefined, request: UpstreamRequest) {
    const { host, port } = request.target;
    const place = formatAuthority(host, port, 80);
    const headers = authorization ? setHeader(request.headers, 'Proxy-Authorization', authorization) : request.headers;
    const path = `http://${place}${request.path}`;
    // A client that cannot connect breaks the stream that it was given; the next parent needs the body whole.
    const body = request.body && { body: Readable.from(request.body, { objectMode: false }) };
    const response = await toParents.send({ ...request, ...body, target: parent, path, headers, host: place });
    if (response.status !== 407) return response;
    response.discard();
    throw new ParentRefusal(407);
  }

  async function send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { target } = request;
    if (target.scheme === 'https' || !parents.leadTo(target)) return client.send(request);
    check(target);
    const response = await parents.attempt(target, (parent, authorization) =>
      sendTo(parent, authorization, request).catch((error: unknown) => {
        // Half a body may be gone, and there is only one.
        const isLost = request.body !== undefined && error instanceof ProxyError && !UNSENT.has(error.code);
        throw isLost ? new ProxyError('upstream-parent', error.message, { cause: error }) : error;
      }),
    );
    return response ?? client.send(request);
  }

  return {
    send,
    async close() {
      await Promise.all([client.close(), toParents.close()]);
    },
  };
}
