/** OpenSSL's verification results and errors, as Node names them, in words. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another name'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is signed by itself'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'its certificate comes from a root that is not trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'its certificate comes from a root that is not trusted'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'its certificate comes from a root that is not trusted'],
  [
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'its certificate comes from an authority that is not trusted, or it does not send those in between',
  ],
  ['CERT_SIGNATURE_FAILURE', 'the signature of its certificate is wrong'],
  ['CERT_REVOKED', 'its certificate was revoked'],
  ['UNABLE_TO_GET_CRL', 'there is no list of revoked certificates for one of its certificates'],
  ['CRL_HAS_EXPIRED', 'the list of revoked certificates has expired'],
  ['INVALID_CA', 'its certificate is signed by one that is no authority'],
  ['PATH_LENGTH_EXCEEDED', 'its certificate has more authorities above it than they allow'],
  ['INVALID_PURPOSE', 'its certificate is not for servers'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'it speaks no TLS from 1.2 on'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'it speaks no TLS from 1.2 on'],
  ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'it does not speak HTTP/1.1 over TLS'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS on this port'],
  ['ERR_SSL_DH_KEY_TOO_SMALL', 'its key exchange is too weak'],
  ['ERR_SSL_EXCESSIVE_MESSAGE_SIZE', 'its certificate is too large'],
]);

const CODE =
  /^(?:ERR_TLS|ERR_SSL|CERT_|CRL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|INVALID_|HOSTNAME_MISMATCH|ERROR_IN_C|PATH_LENGTH|CA_|EE_KEY|EPROTO|UNSPECIFIED|OUT_OF_MEM)/;

/** Whether an error code is one of TLS. `UNSPECIFIED` is Node's name for those that it has no name for. */
export function isTlsCode(code: string): boolean {
  return CODE.test(code);
}

/** What went wrong with the TLS of a host, in words, followed by OpenSSL's own. */
export function tlsWords(code: string, message: string): string {
  const words = WORDS.get(code) ?? 'its certificate or TLS was not accepted';
  return `${words} (${code === 'UNSPECIFIED' ? message : code})`;
}
