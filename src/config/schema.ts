import { z } from 'zod';
import { parseOverrides } from '../net/address-overrides.js';
import { parseRanges } from '../net/address-ranges.js';
import { parseHostPattern } from '../net/host-pattern.js';
import { parseNoProxy } from '../net/no-proxy.js';
import { parseWay } from '../net/parent-address.js';
import { canonicalPermittedName } from '../net/permitted-names.js';
import { parseImagePattern } from '../oci/image-pattern.js';
import type { Config } from './config.js';
import { OPTION_NAMES, type OptionName } from './option-table.js';
import { ENVIRONMENT } from './parent-proxies.js';
import { didYouMean } from './suggest.js';
import {
  parseCount,
  parseDuration,
  parseFreeSpace,
  parseListen,
  parseMaxAge,
  parsePort,
  parseScrub,
  parseSize,
  parseStoreSize,
  parseTimeout,
} from './units.js';

/** An option's value before it is read: one text, or several for a list. */
export type OptionText = string | readonly string[];

/** What is wrong with the value of an option, in a sentence. */
export interface Complaint {
  readonly name: OptionName;
  readonly sentence: string;
}

const INTERCEPT_WORDS = ['auto', 'all', 'none'];

const listen = z.string().transform(reading(parseListen));
const listenOrOff = z.string().transform(reading((text) => (text === 'off' ? undefined : parseListen(text))));
const path = z.string().min(1, 'a path is needed.');
const optionalPath = z.string().transform((text) => (text === '' ? undefined : text));
const hostPatterns = z.array(z.string().transform(reading(checkPattern)));
const ranges = z.array(z.string().transform(reading(checkRange)));
const duration = z.string().transform(reading(parseDuration));
const ways = z.array(z.string().transform(reading(checkWay)));
const noProxy = z.array(z.string().transform(reading(checkNoProxy)));
const scrub = z.string().transform(reading(parseScrub));
const storeSize = z.string().transform(reading(parseStoreSize));
const freeSpace = z.string().transform(reading(parseFreeSpace));
const maxAge = z.string().transform(reading(parseMaxAge));
const imagePatterns = z.array(z.string().transform(reading(checkImagePattern)));
const addresses = z.array(z.string().transform(reading(checkAddress)));
const timeout = z.string().transform(reading(parseTimeout));
const rate = z.string().transform(reading(parseSize));
const count = z.string().transform(reading(parseCount));
const portOf = z.string().transform(reading(parsePort));

const SCHEMA = z.strictObject({
  listen,
  'admin-listen': listenOrOff,
  'data-dir': path,
  'ca-dir': path,
  'ca-name-constraints': z.array(z.string().transform(reading(canonicalPermittedName))),
  intercept: z.array(z.string()).superRefine(checkIntercept),
  tunnel: hostPatterns,
  deny: hostPatterns,
  'connect-ports': z.array(portOf),
  'allow-clients': ranges,
  'proxy-auth': optionalPath,
  'max-client-connections': count,
  'max-connections': count,
  'admin-hosts': hostPatterns,
  'egress-allow': ranges,
  'egress-deny': ranges,
  'upstream-ca': z.array(path),
  'upstream-proxy': ways,
  'upstream-proxy-auth': optionalPath,
  'upstream-no-proxy': noProxy,
  resolve: addresses,
  'upstream-connections': count,
  'upstream-rate': rate,
  'upstream-connect-timeout': timeout,
  'upstream-tls-timeout': timeout,
  'upstream-first-byte-timeout': timeout,
  'upstream-idle-timeout': timeout,
  'upstream-min-rate': rate,
  access: choice(['check', 'open']),
  outage: choice(['serve', 'fail']),
  offline: choice(['true', 'false']).transform((text) => text === 'true'),
  'tag-ttl': duration,
  'grant-ttl': duration,
  'public-ttl': duration,
  'link-max-age': duration,
  'max-size': storeSize,
  'min-free': freeSpace,
  'max-age': maxAge,
  pins: imagePatterns,
  scrub,
  drain: duration,
  'log-level': choice(['debug', 'info', 'warn', 'error', 'silent']),
  'log-format': choice(['json', 'pretty']),
} satisfies Record<OptionName, z.ZodType>);

/** Reads all options. Gives either the configuration or everything that is wrong with it, in the order of the table. */
export function readOptions(
  texts: Readonly<Record<OptionName, OptionText>>,
): { readonly config: Config } | { readonly complaints: readonly Complaint[] } {
  const parsed = SCHEMA.safeParse(texts);
  if (!parsed.success) {
    const complaints = parsed.error.issues.map((issue) => ({
      name: issue.path[0] as OptionName,
      sentence: issue.message,
    }));
    return { complaints: complaints.sort((a, b) => OPTION_NAMES.indexOf(a.name) - OPTION_NAMES.indexOf(b.name)) };
  }
  const options = parsed.data;
  return {
    config: {
      listen: options.listen,
      adminListen: options['admin-listen'],
      dataDir: options['data-dir'],
      caDir: options['ca-dir'],
      caNameConstraints: options['ca-name-constraints'],
      intercept: options.intercept,
      tunnel: options.tunnel,
      deny: options.deny,
      connectPorts: options['connect-ports'],
      allowClients: options['allow-clients'],
      proxyAuth: options['proxy-auth'],
      maxClientConnections: options['max-client-connections'],
      maxConnections: options['max-connections'],
      adminHosts: options['admin-hosts'],
      egressAllow: options['egress-allow'],
      egressDeny: options['egress-deny'],
      upstreamCa: options['upstream-ca'],
      upstreamProxy: options['upstream-proxy'],
      upstreamProxyAuth: options['upstream-proxy-auth'],
      upstreamNoProxy: options['upstream-no-proxy'],
      resolve: options.resolve,
      upstreamConnections: options['upstream-connections'],
      upstreamBytesPerSecond: options['upstream-rate'],
      upstreamTimeouts: {
        connectMs: options['upstream-connect-timeout'],
        tlsMs: options['upstream-tls-timeout'],
        headMs: options['upstream-first-byte-timeout'],
        idleMs: options['upstream-idle-timeout'],
        minBytesPerSecond: options['upstream-min-rate'],
      },
      access: options.access,
      outage: options.outage,
      offline: options.offline,
      tagTtlMs: options['tag-ttl'],
      grantTtlMs: options['grant-ttl'],
      publicTtlMs: options['public-ttl'],
      linkMaxAgeMs: options['link-max-age'],
      maxSize: options['max-size'],
      minFree: options['min-free'],
      maxAgeMs: options['max-age'],
      pins: options.pins,
      scrubRoundMs: options.scrub,
      drainMs: options.drain,
      logLevel: options['log-level'],
      logFormat: options['log-format'],
    },
  };
}

/** Makes a zod transform of a function that throws an Error whose message is for the user. */
function reading<Value>(read: (text: string) => Value): (text: string, context: z.RefinementCtx) => Value {
  return (text, context) => {
    try {
      return read(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  };
}

function choice<const Words extends readonly [string, ...string[]]>(
  words: Words,
): z.ZodEnum<z.core.util.ToEnum<Words[number]>> {
  return z.enum(words, {
    error: ({ input }) => `${JSON.stringify(input)} is none of ${words.join(', ')}.${didYouMean(String(input), words)}`,
  });
}

function checkPattern(text: string): string {
  parseHostPattern(text);
  return text;
}

function checkImagePattern(text: string): string {
  parseImagePattern(text);
  return text;
}

function checkRange(text: string): string {
  parseRanges([text]);
  return text;
}

function checkWay(text: string): string {
  if (text !== ENVIRONMENT) parseWay(text);
  return text;
}

function checkAddress(text: string): string {
  parseOverrides([text]);
  return text;
}

function checkNoProxy(text: string): string {
  parseNoProxy([text]);
  return text;
}

function checkIntercept(entries: readonly string[], context: z.RefinementCtx): void {
  const complain = (message: string): void => context.addIssue({ code: 'custom', message });
  if (entries.length === 0) complain('the list is empty; write none to open no host.');
  for (const word of ['all', 'none']) {
    if (entries.includes(word) && entries.length > 1) complain(`${word} stands alone.`);
  }
  for (const entry of entries) {
    if (INTERCEPT_WORDS.includes(entry)) continue;
    try {
      parseHostPattern(entry);
    } catch (error) {
      complain((error as Error).message);
    }
  }
}
