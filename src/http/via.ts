import type { RawHeaders } from './exchange.js';
import { headerValues } from './headers.js';

const PROTOCOL_VERSION = '1.1';

/** What this installation writes into Via (RFC 9110 section 7.6.3). `id` is its random id, letters and digits only. */
export function viaMember(id: string): string {
  return `${PROTOCOL_VERSION} ${pseudonym(id)}`;
}

/** Adds this installation behind those that a message has passed before. */
export function withVia(headers: RawHeaders, id: string): RawHeaders {
  return [...headers, 'Via', viaMember(id)];
}

/** Whether a message has been through this very installation; another installation of the same product is no loop. */
export function hasPassed(headers: RawHeaders, id: string): boolean {
  const lines = headerValues(headers, 'via');
  if (lines.length === 0) return false;
  const own = pseudonym(id).toLowerCase();
  return lines
    .flatMap((line) => line.split(','))
    .some(
      (member) =>
        member
          .trim()
          .split(/[ \t]+/)[1]
          ?.toLowerCase() === own,
    );
}

function pseudonym(id: string): string {
  return `entrepot-${id}`;
}
