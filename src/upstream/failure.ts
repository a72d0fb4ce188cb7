import { isNativeError } from 'node:util/types';
import { type FaultCode, ProxyError } from '../errors.js';
import { isTlsCode, tlsWords } from './tls-failure.js';

interface Failure {
  readonly code: FaultCode;
  readonly words: string;
}

/** System and undici error codes that say what went wrong on the way to an upstream. */
const BY_CODE: ReadonlyMap<string, Failure> = new Map([
  ['ENOTFOUND', { code: 'upstream-dns', words: 'its name does not resolve' }],
  ['EAI_AGAIN', { code: 'upstream-dns', words: 'the name server did not answer' }],
  ['ECONNREFUSED', { code: 'upstream-connect', words: 'the connection was refused' }],
  ['EHOSTUNREACH', { code: 'upstream-connect', words: 'there is no route to it' }],
  ['ENETUNREACH', { code: 'upstream-connect', words: 'its network cannot be reached' }],
  ['ETIMEDOUT', { code: 'upstream-timeout', words: 'connecting took too long' }],
  ['UND_ERR_CONNECT_TIMEOUT', { code: 'upstream-timeout', words: 'connecting took too long' }],
  ['UND_ERR_HEADERS_TIMEOUT', { code: 'upstream-timeout', words: 'it sent no answer in time' }],
  ['UND_ERR_BODY_TIMEOUT', { code: 'upstream-timeout', words: 'it stopped sending in the middle of a body' }],
  ['ECONNRESET', { code: 'upstream-truncated', words: 'it reset the connection' }],
  ['EPIPE', { code: 'upstream-truncated', words: 'it closed the connection' }],
  ['UND_ERR_SOCKET', { code: 'upstream-truncated', words: 'it closed the connection' }],
  [
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
    { code: 'upstream-truncated', words: 'its body is not as long as announced' },
  ],
  ['UND_ERR_HEADERS_OVERFLOW', { code: 'upstream-protocol', words: 'its answer has too many headers' }],
]);

function systemCode(thrown: unknown): string {
  if (!isNativeError(thrown)) return '';
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemCode(thrown.errors[0]);
  const code = (thrown as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : '';
}

/**
 * Turns what went wrong on the way to `host` into a fault that names the host and the cause in words. Faults that are
 * ProxyErrors already pass unchanged.
 */
export function upstreamFailure(thrown: unknown, host: string): ProxyError {
  if (thrown instanceof ProxyError) return thrown;
  if (isNativeError(thrown) && thrown.cause instanceof ProxyError) return thrown.cause;
  const code = systemCode(thrown);
  const known = BY_CODE.get(code);
  if (known) return new ProxyError(known.code, `${host}: ${known.words} (${code})`, { cause: thrown });
  const message = isNativeError(thrown) ? thrown.message : String(thrown);
  if (isTlsCode(code)) {
    return new ProxyError('upstream-tls', `${host}: ${tlsWords(code, message)}`, { cause: thrown });
  }
  if (code.startsWith('HPE_') || code.startsWith('UND_ERR')) {
    return new ProxyError('upstream-protocol', `${host}: its answer is not valid HTTP (${code})`, { cause: thrown });
  }
  return new ProxyError('upstream-connect', `${host}: ${message}`, { cause: thrown });
}
