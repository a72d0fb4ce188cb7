import { X509Certificate } from 'node:crypto';
import type { Authority } from '../tls/authority.js';
import type { Authorities } from '../tls/rotation.js';
import { renderPairs } from './command.js';

/** What a certificate says. Times are ISO 8601, UTC. */
interface CertificateReport {
  readonly subject: string;
  readonly fingerprintSha256: string;
  readonly notBefore: string;
  readonly notAfter: string;
}

/** What a folder holds, for people and for programs. At the top stands what clients are to trust. */
export interface AuthorityReport extends CertificateReport {
  readonly certificatePath: string;
  /** Absent where it may issue certificates for all names. */
  readonly permittedNames?: readonly string[];
  /** The certificate below it that signs; absent where it signs itself. */
  readonly intermediate?: CertificateReport;
  /** The coming authority, while a rotation is under way. */
  readonly next?: CertificateReport & { readonly signsFrom: string; readonly permittedNames?: readonly string[] };
}

export function authorityReport({ current, next }: Authorities): AuthorityReport {
  return {
    ...certificateReport(current.trustPem),
    certificatePath: current.certificatePath,
    ...permitted(current),
    ...(current.trustPem === current.certificatePem ? {} : { intermediate: certificateReport(current.certificatePem) }),
    ...(next && {
      next: {
        ...certificateReport(next.authority.trustPem),
        signsFrom: new Date(next.switchAt).toISOString(),
        ...permitted(next.authority),
      },
    }),
  };
}

/** The same as lines of a name and a value each. */
export function renderReport({ intermediate, next, ...top }: AuthorityReport): string {
  return [
    renderPairs(pairsOf(top)),
    intermediate === undefined ? '' : `\nbelow it, what signs:\n${renderPairs(pairsOf(intermediate), '  ')}`,
    next === undefined ? '' : `\nthe coming CA:\n${renderPairs(pairsOf(next), '  ')}`,
  ].join('');
}

function pairsOf(values: object): readonly (readonly [string, string])[] {
  return Object.entries(values).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : String(value)]);
}

function certificateReport(pem: string): CertificateReport {
  const certificate = new X509Certificate(pem);
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    fingerprintSha256: certificate.fingerprint256,
    notBefore: new Date(certificate.validFrom).toISOString(),
    notAfter: new Date(certificate.validTo).toISOString(),
  };
}

function permitted({ permittedNames }: Authority): Pick<AuthorityReport, 'permittedNames'> {
  return permittedNames.length === 0 ? {} : { permittedNames };
}
