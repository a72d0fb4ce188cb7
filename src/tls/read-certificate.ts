import { X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { children, contents, decode, hasTag, readOid } from './der.js';
import { KEY_USAGE, keyIdentifier, OID } from './extensions.js';
import { type NameConstraints, readNameConstraints } from './name-constraints.js';

type Asn1 = forge.asn1.Asn1;

/** What must be known of a certificate to issue others with its key. */
export interface ReadCertificate {
  readonly x509: X509Certificate;
  /** The subject, byte for byte. */
  readonly subject: Asn1;
  /** The identifier that it states for its key, else the one that we would give it. */
  readonly keyIdentifier: Buffer;
  /** Whether basicConstraints says CA:TRUE. */
  readonly isAuthority: boolean;
  /** How many authorities may stand below it in a row; undefined for any number. */
  readonly pathLength: number | undefined;
  /** Whether keyUsage, if there is one, has keyCertSign. */
  readonly maySignCertificates: boolean;
  /** Whether extendedKeyUsage, if there is one, has serverAuth or anyExtendedKeyUsage. */
  readonly mayServe: boolean;
  /** Which names the certificates below it may have; undefined where it doesn't say. */
  readonly nameConstraints: NameConstraints | undefined;
}

/** Reads one certificate from its PEM block. Throws when it is not a certificate of X.509 version 3. */
export function readCertificate(pem: string): ReadCertificate {
  const x509 = new X509Certificate(pem);
  const tbsCertificate = children(decode(x509.raw))[0];
  const [version, , , , , subject] = children(tbsCertificate);
  if (version === undefined || !hasTag(version, 0) || subject === undefined) {
    throw new Error('not a certificate of X.509 version 3');
  }
  const extension = extensionReader(children(tbsCertificate).find((item) => hasTag(item, 3)));
  const [authorityFlag, pathLength] = children(extension(OID.basicConstraints));
  const usage = extension(OID.keyUsage);
  const purposes = extension(OID.extKeyUsage);
  const names = extension(OID.nameConstraints);
  const ownIdentifier = contents(extension(OID.subjectKeyIdentifier));
  return {
    x509,
    subject,
    keyIdentifier: ownIdentifier.length > 0 ? ownIdentifier : keyIdentifier(x509.publicKey),
    // The first field of BasicConstraints is absent when it is false; a number in first place is the path length.
    isAuthority: authorityFlag?.type === forge.asn1.Type.BOOLEAN && contents(authorityFlag)[0] !== 0,
    pathLength: pathLength && contents(pathLength).readUIntBE(0, contents(pathLength).length),
    maySignCertificates: usage === undefined || hasKeyUsage(usage, KEY_USAGE.keyCertSign),
    mayServe: purposes === undefined || children(purposes).map(readOid).some(coversServers),
    nameConstraints: names && readNameConstraints(names),
  };
}

/** Gives the value of an extension by its object identifier. Values that nobody asks for are not parsed. */
function extensionReader(extensions: Asn1 | undefined): (id: string) => Asn1 | undefined {
  const values = new Map<string, Buffer>();
  for (const extension of children(children(extensions)[0])) {
    const parts = children(extension);
    values.set(readOid(parts[0]), contents(parts.at(-1)));
  }
  return function read(id) {
    const value = values.get(id);
    return value === undefined ? undefined : decode(value);
  };
}

function hasKeyUsage(value: Asn1, bit: number): boolean {
  // The first byte counts the unused bits; all bits that we know are in the second.
  return ((contents(value)[1] ?? 0) & (0x80 >> bit)) !== 0;
}

function coversServers(purpose: string): boolean {
  return purpose === OID.serverAuth || purpose === OID.anyExtendedKeyUsage;
}
