import { FINGERPRINT_HEADER, type Offer } from '../tls/offer.js';
import type { AdminRoute } from './route.js';

const PEM_TYPE = 'application/x-pem-file';
const DER_TYPE = 'application/pkix-cert';

/** The certificates that clients are to trust. */
export function certificateRoutes(offer: () => Offer): AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/ca.crt',
      summary: 'The CA certificates that clients are to trust, as PEM',
      open: true,
      answers: { 200: { description: 'one certificate, or two during a rotation', contentType: PEM_TYPE } },
      run: async () => {
        const { pem, fingerprints } = offer();
        return { headers: headersOf(PEM_TYPE, 'entrepot-ca.crt', fingerprints), body: pem };
      },
    },
    {
      method: 'GET',
      path: '/ca.der',
      summary: 'The CA certificate that clients are to trust, as DER',
      open: true,
      answers: { 200: { description: 'the certificate; during a rotation the coming one', contentType: DER_TYPE } },
      run: async () => {
        const { der, derFingerprint } = offer();
        return { headers: headersOf(DER_TYPE, 'entrepot-ca.der', derFingerprint), body: der };
      },
    },
  ];
}

function headersOf(type: string, file: string, fingerprints: string): Record<string, string> {
  return {
    'content-type': type,
    'content-disposition': `attachment; filename="${file}"`,
    [FINGERPRINT_HEADER]: fingerprints,
  };
}
