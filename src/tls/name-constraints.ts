import type forge from 'node-forge';
import { formatRange, type PermittedName } from '../net/permitted-names.js';
import { children, contents, hasTag, implicitSequence, implicitTag, sequence } from './der.js';
import { extension, OID } from './extensions.js';
import { hostAddress } from './host-address.js';

type Asn1 = forge.asn1.Asn1;

/** What a CA certificate says about the names below it (RFC 5280 section 4.2.1.10), as far as servers have such names. */
export interface NameConstraints {
  readonly permitted: readonly PermittedName[];
  readonly excluded: readonly PermittedName[];
}

const PERMITTED = 0;
const EXCLUDED = 1;
const DNS_NAME = 2;
const IP_ADDRESS = 7;

const EVERY_ADDRESS: readonly PermittedName[] = [4, 16].map((bytes) => ({
  kind: 'ip',
  address: Buffer.alloc(bytes),
  mask: Buffer.alloc(bytes),
}));
const EVERY_NAME: readonly PermittedName[] = [{ kind: 'dns', name: '' }];

/**
 * Permits the given names and nothing else. A constraint speaks only of names of its own kind, so a kind that is not
 * given at all has to be excluded.
 */
export function constraintsOf(permitted: readonly PermittedName[]): NameConstraints {
  const has = (kind: PermittedName['kind']): boolean => permitted.some((name) => name.kind === kind);
  return { permitted, excluded: [...(has('dns') ? [] : EVERY_NAME), ...(has('ip') ? [] : EVERY_ADDRESS)] };
}

/** The extension, critical. */
export function nameConstraints({ permitted, excluded }: NameConstraints): Asn1 {
  const trees = [...subtrees(PERMITTED, permitted), ...subtrees(EXCLUDED, excluded)];
  return extension(OID.nameConstraints, true, sequence(trees));
}

function subtrees(number: typeof PERMITTED | typeof EXCLUDED, names: readonly PermittedName[]): Asn1[] {
  return names.length === 0 ? [] : [implicitSequence(number, names.map(subtree))];
}

function subtree(name: PermittedName): Asn1 {
  return sequence([
    name.kind === 'dns'
      ? implicitTag(DNS_NAME, Buffer.from(name.name, 'latin1'))
      : implicitTag(IP_ADDRESS, Buffer.concat([name.address, name.mask])),
  ]);
}

/** Reads the value of the extension. Names of other kinds (mail, directory) mean nothing for servers and are left out. */
export function readNameConstraints(value: Asn1): NameConstraints {
  const read = (number: typeof PERMITTED | typeof EXCLUDED): readonly PermittedName[] =>
    children(children(value).find((item) => hasTag(item, number))).flatMap((item) => readSubtree(children(item)[0]));
  return { permitted: read(PERMITTED), excluded: read(EXCLUDED) };
}

function readSubtree(base: Asn1 | undefined): readonly PermittedName[] {
  if (base === undefined) return [];
  const bytes = contents(base);
  if (hasTag(base, DNS_NAME)) return [{ kind: 'dns', name: bytes.toString('latin1').toLowerCase() }];
  if (!hasTag(base, IP_ADDRESS)) return [];
  const half = bytes.length / 2;
  return [{ kind: 'ip', address: bytes.subarray(0, half), mask: bytes.subarray(half) }];
}

/** Whether a leaf for this canonical host would be accepted. */
export function permitsHost({ permitted, excluded }: NameConstraints, host: string): boolean {
  const address = hostAddress(host);
  const covers = (name: PermittedName): boolean =>
    name.kind === 'dns' ? address === undefined && isBelow(host, name.name) : isWithin(address, name);
  const kind = address === undefined ? 'dns' : 'ip';
  const ofKind = permitted.filter((name) => name.kind === kind);
  return !excluded.some(covers) && (ofKind.length === 0 || ofKind.some(covers));
}

function isBelow(host: string, tree: string): boolean {
  if (tree === '' || host === tree) return true;
  return host.endsWith(tree.startsWith('.') ? tree : `.${tree}`);
}

function isWithin(address: Buffer | undefined, range: Extract<PermittedName, { kind: 'ip' }>): boolean {
  if (address === undefined || address.length !== range.address.length) return false;
  return address.every((byte, index) => ((byte ^ (range.address[index] ?? 0)) & (range.mask[index] ?? 0)) === 0);
}

/** What is permitted, in the words of `--ca-name-constraints`. */
export function describePermitted({ permitted }: NameConstraints): readonly string[] {
  return permitted.map((name) => (name.kind === 'dns' ? name.name : formatRange(name.address, name.mask)));
}
