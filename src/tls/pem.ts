/** One block of a PEM file. */
export interface PemBlock {
  /** What stands after BEGIN, as `CERTIFICATE` or `EC PRIVATE KEY`. */
  readonly label: string;
  /** The block with both its lines, ending in a line feed. */
  readonly text: string;
}

const BLOCK = /^-----BEGIN ([A-Z0-9 ]+)-----\s[^]*?^-----END \1-----/gm;

/** The blocks of a PEM file in their order; text around them does not count (RFC 7468 section 2). */
export function pemBlocks(text: string): PemBlock[] {
  return [...text.matchAll(BLOCK)].map(([block, label = '']) => ({ label, text: `${block}\n` }));
}

export function isCertificate(block: PemBlock): boolean {
  return block.label === 'CERTIFICATE';
}

export function isPrivateKey(block: PemBlock): boolean {
  return block.label.endsWith('PRIVATE KEY');
}

/** Whether a private key needs a passphrase: by its label in PKCS#8, by a header in the older forms. */
export function isEncrypted(block: PemBlock): boolean {
  return block.label === 'ENCRYPTED PRIVATE KEY' || /^Proc-Type: *4,ENCRYPTED/m.test(block.text);
}

/** Writes DER as a PEM block with lines of 64 characters. */
export function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
