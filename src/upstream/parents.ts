import type { Socket } from 'node:net';
import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import { formatAuthority } from '../net/authority.js';
import { type Breaker, createBreaker } from '../net/circuit-breaker.js';
import type { EgressGuard } from '../net/egress-guard.js';
import type { NoProxy } from '../net/no-proxy.js';
import { formatParent, type ParentAddress, type Way } from '../net/parent-address.js';
import { putNewest } from '../net/put-newest.js';
import { connectThrough, ParentRefusal, ParentSilence, type ParentTimeouts } from './parent-connect.js';
import type { Trust } from './trust.js';

export interface ParentsOptions {
  /** For upstreams that speak TLS, and for those that don't: what to try, in this order. Empty for straight. */
  readonly ways: Readonly<Record<Target['scheme'], readonly Way[]>>;
  readonly noProxy: NoProxy;
  /** What is set for a single registry; undefined where nothing is. */
  readonly waysOf?: (host: string, port: number) => readonly Way[] | undefined;
  /** What stands in `Proxy-Authorization`, by `host:port` of the parent. */
  readonly credentials: ReadonlyMap<string, string>;
  /** Lets everything pass but this proxy's own ports. */
  readonly guard: EgressGuard;
  readonly trust: Trust;
  /** What this proxy writes into `Via`. */
  readonly via: string;
  readonly timeouts: ParentTimeouts;
  /** A parent is left out from now on, or used again. */
  readonly onChange?: (parent: string, usable: boolean) => void;
  /** How long a parent that failed is left out. */
  readonly openMs?: number;
  /** How long a parent may say nothing to a CONNECT where there is another way. */
  readonly hurriedAnswerMs?: number;
}

export interface OpenAsked {
  readonly signal?: AbortSignal | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  /** `Via` of the client's own CONNECT. */
  readonly passedVia?: string | undefined;
}

/** What is done by one parent. `authorization` is what stands in `Proxy-Authorization`; `isLast` where no other way is left. */
export type ByParent<Result> = (
  parent: ParentAddress,
  authorization: string | undefined,
  isLast: boolean,
) => Promise<Result>;

/** The proxies above this one. */
export interface Parents {
  /** Whether some parent is to be tried for this target. */
  leadTo(target: Target): boolean;
  /**
   * Opens a connection through the first parent that can; undefined where the straight way is next. Rejects with
   * `upstream-connect` where none can be reached, `upstream-parent` where one refuses, `loop` where one leads back here.
   */
  open(target: Target, asked?: OpenAsked): Promise<Socket | undefined>;
  /** The same for something else that a parent can do, such as a request in absolute form. */
  attempt<Result>(target: Target, byParent: ByParent<Result>): Promise<Result | undefined>;
  /** Those that are left out at the moment. */
  readonly leftOut: readonly string[];
}

/** Parents are near. One that does not answer for so long is passed over. */
export const PARENT_DIAL_MS = 1_000;
/** And one that takes a CONNECT and says nothing to it, where there is another way. */
const HURRIED_ANSWER_MS = 3_000;
const FAILURES = 3;
const OPEN_MS = 5_000;
/** Upstreams of which it is known that a parent has reached them. */
const MAX_REACHED = 1000;

interface Held {
  readonly breaker: Breaker;
  usable: boolean;
}

/** What says that the parent itself does not work, and not what is behind it. */
const BROKEN = new Set([
  'upstream-connect',
  'upstream-dns',
  'upstream-timeout',
  'upstream-tls',
  'upstream-truncated',
  'upstream-protocol',
]);

/** Faults that a request in absolute form can come to because of where it was to go. */
const AFTER_SENDING = new Set(['upstream-timeout', 'upstream-truncated', 'upstream-protocol']);

function placeBehind(parent: string, { host, port }: Target): string {
  return `${parent} ${formatAuthority(host, port)}`;
}

export function createParents(options: ParentsOptions): Parents {
  const held = new Map<string, Held>();
  const reached = new Map<string, true>();
  const { ways, noProxy, credentials, openMs = OPEN_MS, hurriedAnswerMs = HURRIED_ANSWER_MS } = options;

  function heldOf(name: string): Held {
    const known = held.get(name) ?? { breaker: createBreaker({ failures: FAILURES, openMs }), usable: true };
    held.set(name, known);
    return known;
  }

  function note(name: string, worked: boolean): void {
    const one = heldOf(name);
    if (worked) one.breaker.success();
    else one.breaker.failure();
    const usable = one.breaker.state === 'closed';
    if (usable === one.usable) return;
    one.usable = usable;
    options.onChange?.(name, usable);
  }

  function noteReached(name: string, target: Target): void {
    putNewest(reached, placeBehind(name, target), true, MAX_REACHED);
  }

  /**
   * Whether a failure says that the parent does not work. Where it only gave no answer about an upstream that it has never
   * reached, it need not be the parent: anybody could have it left out by asking for hosts that do not answer.
   */
  function speaksAgainst(name: string, target: Target, error: ProxyError): boolean {
    const isSilence = error instanceof ParentSilence || (target.scheme === 'http' && AFTER_SENDING.has(error.code));
    return !isSilence || reached.has(placeBehind(name, target));
  }

  function waysTo({ scheme, host, port }: Target): readonly Way[] {
    const own = options.waysOf?.(host, port);
    if (own !== undefined) return own;
    return noProxy.covers(host, port) ? [] : ways[scheme];
  }

  async function attempt<Result>(target: Target, byParent: ByParent<Result>): Promise<Result | undefined> {
    const reasons: string[] = [];
    const list = waysTo(target);
    const open = list.filter((way) => isOpenTo(way));
    // Where all are left out, a parent that has failed is better than none.
    const tried = open.length > 0 ? open : list;
    for (const way of tried) {
      if (way === 'direct') return undefined;
      const name = formatParent(way);
      if (open.length > 0 && !heldOf(name).breaker.allow()) {
        reasons.push(`${name} has failed and is left out for a moment`);
        continue;
      }
      try {
        const authorization = credentials.get(formatAuthority(way.host, way.port));
        const result = await byParent(way, authorization, way === tried.at(-1));
        note(name, true);
        noteReached(name, target);
        return result;
      } catch (error) {
        if (error instanceof ParentRefusal) {
          note(name, true);
          reasons.push(refusalOf(error, name, target));
        } else if (error instanceof ProxyError && BROKEN.has(error.code)) {
          if (speaksAgainst(name, target, error)) note(name, false);
          reasons.push(`${name}: ${error.message}`);
        } else throw asLoop(error, name);
      }
    }
    if (list.length === 0) return undefined;
    const words = reasons.map((reason) => reason.replace(/\.$/, '')).join('; ');
    throw new ProxyError('upstream-connect', `${target.host} cannot be reached through a parent proxy: ${words}.`);
  }

  /** Whether a way may be taken now. It takes no turn of the breaker: that is for who goes. */
  function isOpenTo(way: Way): boolean {
    return way === 'direct' || heldOf(formatParent(way)).breaker.state !== 'open';
  }

  return {
    leadTo: (target) => {
      const [first] = waysTo(target);
      return first !== undefined && first !== 'direct';
    },
    attempt,
    open: (target, asked = {}) => {
      const via = asked.passedVia === undefined ? options.via : `${asked.passedVia}, ${options.via}`;
      const { guard, trust } = options;
      const { signal, allowHalfOpen } = asked;
      return attempt(target, (parent, authorization, isLast) => {
        const answerMs = isLast ? options.timeouts.answerMs : Math.min(options.timeouts.answerMs, hurriedAnswerMs);
        const timeouts = { ...options.timeouts, answerMs };
        return connectThrough(parent, target, { guard, trust, timeouts, authorization, via, signal, allowHalfOpen });
      });
    },
    get leftOut() {
      return [...held].filter(([, { usable }]) => !usable).map(([name]) => name);
    },
  };
}

/** Why the next parent is asked after this one's answer. @throws ProxyError where the answer is the last word */
function refusalOf({ status }: ParentRefusal, name: string, { host }: Target): string {
  if (status === 508) {
    throw new ProxyError(
      'loop',
      `The parent proxy ${name} leads back to itself or to this proxy on the way to ${host}.`,
    );
  }
  if (status === 407) {
    const hint = 'put a user and password that it knows into the file of --upstream-proxy-auth';
    throw new ProxyError('upstream-parent', `The parent proxy ${name} asks for a password (407): ${hint}.`);
  }
  // What is behind it may be reached by another; a no of its rules is to be respected.
  if (status >= 500) return `${name} answered ${status}`;
  throw new ProxyError('upstream-parent', `The parent proxy ${name} refuses to connect to ${host} (${status}).`);
}

function asLoop(error: unknown, name: string): unknown {
  if (!(error instanceof ProxyError) || error.code !== 'egress-refused') return error;
  return new ProxyError('loop', `The parent proxy ${name} is this proxy itself: --upstream-proxy has to name another.`);
}
