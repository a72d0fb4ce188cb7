import { ProxyError } from '../errors.js';
import type { RawHeaders, Target } from '../http/exchange.js';
import { endToEndConnectionOption, headerValue, headerValues } from '../http/headers.js';
import { formatAuthority, parseAuthority } from '../net/authority.js';

/** A request's head, as the parser gives it. */
export interface RequestHead {
  readonly method: string;
  /** The request target, byte for byte. */
  readonly url: string;
  readonly httpVersion: string;
  readonly rawHeaders: RawHeaders;
}

/** What a head that passed the check asks for. */
export interface CheckedRequest {
  readonly target: Target;
  /** The target in origin form. */
  readonly path: string;
  readonly hasBody: boolean;
}

const MAX_HEADERS = 100;
const DEFAULT_PORTS = { http: 80, https: 443 } as const;
// The path is kept byte for byte; nothing that a URL cannot hold gets through.
const ORIGIN_FORM = /^\/[^\s#]*$/;

/**
 * Judges a request that came through an opened tunnel. What Node's parser accepts and two parties could read in two
 * ways is refused here (RFC 9112 sections 3.2, 6.1 and 11.2).
 * @param target what the tunnel's CONNECT named
 * @throws ProxyError with the status to answer
 */
export function checkTunnelRequest(head: RequestHead, target: Target): CheckedRequest {
  const hasBody = checkMessage(head);
  const absolute = absoluteForm(head.url);
  if (absolute !== undefined) {
    if (absolute.scheme !== target.scheme || !isSameAuthority(absolute.authority, target)) {
      throw new ProxyError('bad-request', `The request target names another server than CONNECT ${nameOf(target)}.`);
    }
  }
  checkHost(head, target);
  return { target, path: originForm(absolute?.path ?? head.url), hasBody };
}

/**
 * Judges a request in absolute form (`GET http://host/path`) on the proxy's own port; undefined where the target is
 * not in that form.
 * @throws ProxyError with the status to answer
 */
export function checkPlainRequest(head: RequestHead): CheckedRequest | undefined {
  const hasBody = checkMessage(head);
  const absolute = absoluteForm(head.url);
  if (absolute === undefined) return undefined;
  if (absolute.scheme !== 'http') {
    throw new ProxyError('bad-request', `A proxy reaches ${absolute.scheme} addresses by CONNECT.`);
  }
  const { host, port } = parseAuthority(absolute.authority, DEFAULT_PORTS.http);
  const target: Target = { scheme: 'http', host, port };
  checkHost(head, target);
  return { target, path: originForm(absolute.path), hasBody };
}

/** Checks what has nothing to do with the server that is asked; gives whether a body follows. */
function checkMessage(head: RequestHead): boolean {
  const { method, rawHeaders } = head;
  if (rawHeaders.length > MAX_HEADERS * 2) {
    throw new ProxyError('headers-too-large', `A request has at most ${MAX_HEADERS} headers.`);
  }
  if (method === 'TRACE' || method === 'CONNECT') {
    throw new ProxyError('method-refused', `${method} is not answered here.`);
  }
  for (const name of ['Host', 'Authorization']) {
    if (headerValues(rawHeaders, name).length > 1) throw badRequest(`A request has one ${name} header.`);
  }
  const named = endToEndConnectionOption(rawHeaders);
  if (named !== undefined) throw badRequest(`Connection cannot name ${named}.`);
  const hasBody = announcesBody(head);
  if (hasBody && (method === 'GET' || method === 'HEAD')) throw badRequest(`${method} has no body.`);
  return hasBody;
}

function announcesBody(head: RequestHead): boolean {
  const codings = headerValues(head.rawHeaders, 'Transfer-Encoding');
  if (codings.length === 0) return Number(headerValue(head.rawHeaders, 'Content-Length') ?? 0) > 0;
  if (head.httpVersion === '1.0') throw badRequest('HTTP/1.0 has no Transfer-Encoding.');
  if (codings.length > 1 || codings[0]?.trim().toLowerCase() !== 'chunked') {
    throw badRequest('The only Transfer-Encoding that is understood is chunked.');
  }
  return true;
}

function checkHost(head: RequestHead, target: Target): void {
  const host = headerValue(head.rawHeaders, 'Host');
  // Only HTTP/1.0 gets here without one.
  if (host === undefined) return;
  if (!isSameAuthority(host, target)) {
    throw new ProxyError('misdirected', `The Host header names another server than ${nameOf(target)}.`);
  }
}

function isSameAuthority(text: string, target: Target): boolean {
  const { host, port } = parseAuthority(text.trim(), DEFAULT_PORTS[target.scheme]);
  return host === target.host && port === target.port;
}

function absoluteForm(url: string): { scheme: string; authority: string; path: string } | undefined {
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/is.exec(url);
  if (match === null) return undefined;
  const [, scheme = '', authority = '', rest = ''] = match;
  return { scheme: scheme.toLowerCase(), authority, path: rest.startsWith('/') ? rest : `/${rest}` };
}

function originForm(path: string): string {
  if (!ORIGIN_FORM.test(path)) throw badRequest('The request target is not a path.');
  return path;
}

function nameOf(target: Target): string {
  return formatAuthority(target.host, target.port, DEFAULT_PORTS[target.scheme]);
}

function badRequest(message: string): ProxyError {
  return new ProxyError('bad-request', message);
}
