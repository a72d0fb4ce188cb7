import dns from 'node:dns';
import type net from 'node:net';
import { isIP } from 'node:net';
import os from 'node:os';
import { ProxyError } from '../errors.js';
import type { AddressOverrides } from './address-overrides.js';
import { parseRanges, plainAddress, type Ranges } from './address-ranges.js';

export interface Listener {
  readonly address: string;
  readonly port: number;
}

export interface EgressGuardOptions {
  /** `--egress-allow`: exceptions to what is refused by default. */
  readonly allow: Ranges;
  /** `--egress-deny`: refused on top, whatever is allowed. */
  readonly deny: Ranges;
  /** Where this process listens; asked at every check, refused whatever is allowed. */
  readonly ownListeners: () => readonly Listener[];
  /** `--resolve`: addresses that whoever runs the proxy has named, which are therefore allowed. */
  readonly overrides?: AddressOverrides;
  /** How names are looked up; `dns.lookup` where it is absent. */
  readonly resolve?: typeof dns.lookup;
}

/** Keeps clients from reaching, through the proxy, what only the proxy's own machine may reach. */
export interface EgressGuard {
  /** Checks an address that is about to be dialled. @throws ProxyError `egress-refused` */
  check(address: string, port: number): void;
  /**
   * A `lookup` for net.connect that gives only addresses that pass the check, so that what was checked is what is
   * dialled (no second look-up, no rebinding). Fails with `egress-refused` when none is left.
   */
  lookupFor(port: number): net.LookupFunction;
}

// Private ranges are not here: in-house registries live there. IANA special-purpose registries, RFC 6890.
const REFUSED_BY_DEFAULT: readonly (readonly [string, readonly string[]])[] = [
  ['unspecified', ['0.0.0.0/8', '::/128']],
  ['a loopback address', ['127.0.0.0/8', '::1/128']],
  // The metadata services of AWS, Azure, Alibaba Cloud and Oracle Cloud; most others share 169.254.169.254.
  [
    'a cloud metadata address',
    ['169.254.169.254/32', 'fd00:ec2::254/128', '168.63.129.16/32', '100.100.100.200/32', '192.0.0.192/32'],
  ],
  ['a link-local address', ['169.254.0.0/16', 'fe80::/10']],
  ['a multicast address', ['224.0.0.0/4', 'ff00::/8']],
  ['a reserved address', ['240.0.0.0/4', '::/96', 'fec0::/10']],
  // IPv4 addresses in other clothes (RFC 3056, 2765, 8215): what they stand for would not be looked at.
  ['a translated address', ['2002::/16', '::ffff:0:0:0/96', '64:ff9b:1::/48']],
];

/** Builds the guard that every outgoing connection passes. */
export function createEgressGuard(options: EgressGuardOptions): EgressGuard {
  const refused = REFUSED_BY_DEFAULT.map(([what, list]) => ({ what, ranges: parseRanges(list) }));
  const resolve = options.resolve ?? dns.lookup;

  function checkOwn(address: string, port: number): void {
    if (options.ownListeners().some((listener) => isOwn(listener, address, port))) {
      throw new ProxyError('egress-refused', `${address} port ${port} is this proxy itself.`);
    }
  }

  function check(address: string, port: number): void {
    checkOwn(address, port);
    if (options.deny.contains(address)) {
      throw new ProxyError('egress-refused', `${address} is closed by --egress-deny.`);
    }
    const kind = refused.find(({ ranges }) => ranges.contains(address));
    if (kind !== undefined && !options.allow.contains(address)) {
      const hint = `start the proxy with --egress-allow ${plainAddress(address)} to let it connect there`;
      throw new ProxyError('egress-refused', `${address} is ${kind.what}; ${hint}.`);
    }
  }

  function lookupFor(port: number): net.LookupFunction {
    return (hostname, lookupOptions, callback) => {
      const named = options.overrides?.find(hostname, port);
      if (named !== undefined) {
        const found = named.map((address) => ({ address, family: isIP(address) }));
        // A look-up answers later, never at once.
        setImmediate(give, null, found, checkOwn);
        return;
      }
      resolve(hostname, { ...lookupOptions, all: true }, (error, addresses) => give(error, addresses, check));

      function give(error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[], judge: typeof check): void {
        if (error) return callback(error, '');
        const { passed, fault } = sift(addresses, (address) => judge(address, port));
        const first = passed[0];
        if (first === undefined) {
          return callback(fault ?? new ProxyError('upstream-dns', `${hostname} has no address.`), '');
        }
        if (lookupOptions.all === true) return callback(null, passed);
        return callback(null, first.address, first.family);
      }
    };
  }

  return { check, lookupFor };
}

function sift(
  addresses: readonly dns.LookupAddress[],
  check: (address: string) => void,
): { passed: dns.LookupAddress[]; fault: ProxyError | undefined } {
  let fault: ProxyError | undefined;
  const passed = addresses.filter(({ address }) => {
    try {
      check(address);
      return true;
    } catch (error) {
      if (!(error instanceof ProxyError)) throw error;
      fault ??= error;
      return false;
    }
  });
  return { passed, fault };
}

function isOwn(listener: Listener, address: string, port: number): boolean {
  if (listener.port !== port) return false;
  const own = plainAddress(listener.address);
  const asked = plainAddress(address);
  // The system takes the unspecified address for loopback.
  if (own === asked || UNSPECIFIED.contains(asked)) return true;
  return (own === '0.0.0.0' || own === '::') && isLocal(asked);
}

const UNSPECIFIED = parseRanges(['0.0.0.0/8', '::/128']);
const LOOPBACK = parseRanges(['127.0.0.0/8', '::1/128', '0.0.0.0/8', '::/128']);

function isLocal(address: string): boolean {
  if (LOOPBACK.contains(address)) return true;
  const interfaces = Object.values(os.networkInterfaces()).flat();
  return interfaces.some((entry) => entry !== undefined && plainAddress(entry.address) === address);
}
