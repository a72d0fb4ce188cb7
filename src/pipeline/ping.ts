import type { Exchange } from '../http/exchange.js';
import { headersFrom } from '../http/headers.js';
import { formatAuthority } from '../net/authority.js';
import { errorBody } from '../oci/error-body.js';
import type { UpstreamClient, UpstreamResponse } from '../upstream/contract.js';
import type { PipelineContext } from './context.js';
import { offlineChallenge } from './offline-token.js';
import { hear } from './outage.js';
import { forwardedHeaders } from './outgoing.js';
import { relay } from './relay.js';
import { note, type Trace } from './trace.js';

/**
 * `GET /v2/`, by which clients find out how to go on. It is the registry's to answer; where it cannot, or where it sends
 * strangers to a token server that is not there, the proxy says what lets them go on without: who shows no credential is
 * asked for a token of ours. With a credential it is a question whether that is right, which nobody else may answer.
 */
export async function answerPing(
  context: PipelineContext,
  exchange: Exchange,
  trace: Trace,
  upstream: UpstreamClient,
  hasOfflineToken: boolean,
): Promise<void> {
  const { request, target, signal } = exchange;
  const { anonymous } = context.credentials.read(request.headers);
  const heard = await hear<UpstreamResponse, PingAnswer>({
    context,
    target,
    anonymous,
    ask: () =>
      upstream.send({
        target,
        method: request.method,
        path: request.path,
        headers: forwardedHeaders(request.headers, context.viaId),
        signal,
      }),
    instead: async () => (anonymous ? ownAnswer(context, exchange, hasOfflineToken) : undefined),
    abandon: (response) => response.discard(),
  });
  if ('instead' in heard) return answer(exchange, trace, heard.instead);
  await relay(heard.answer, exchange.reply, {
    host: target.host,
    status: note(trace, 'bypass', 'not-content'),
    onBytes: (bytes) => context.metrics.upstreamBytes(trace.registry, bytes),
  });
}

interface PingAnswer {
  readonly status: 200 | 401;
  readonly challenge: string | undefined;
}

/** What the registry would say, as far as that is known; undefined for a host that was never seen to be a registry. */
async function ownAnswer(
  context: PipelineContext,
  { target }: Exchange,
  hasOfflineToken: boolean,
): Promise<PingAnswer | undefined> {
  if (context.outage === 'fail') return undefined;
  const manner = await context.health.manner(target);
  if (manner.ping === 'none' || hasOfflineToken) return { status: 200, challenge: undefined };
  if (manner.ping === 'basic') return { status: 401, challenge: 'Basic realm="registry"' };
  const known = manner.ping ?? manner.realm ?? (await hasDelivered(context, target));
  return known ? { status: 401, challenge: offlineChallenge(target) } : undefined;
}

async function hasDelivered(context: PipelineContext, { host, port }: Exchange['target']): Promise<boolean> {
  const row = await context.facts.get<{ readonly isRegistry?: boolean }>('host', formatAuthority(host, port));
  return row?.isRegistry === true;
}

async function answer({ id, request, reply }: Exchange, trace: Trace, ping: PingAnswer): Promise<void> {
  const common = headersFrom({ 'Docker-Distribution-Api-Version': 'registry/2.0' });
  const challenge = ping.challenge === undefined ? [] : ['WWW-Authenticate', ping.challenge];
  note(trace, 'stale', 'ping');
  const { headers, body } =
    ping.status === 401
      ? errorBody(401, 'the registry cannot be asked; public images can be pulled', id)
      : {
          headers: headersFrom({ 'Content-Type': 'application/json', 'Content-Length': '2' }),
          body: Buffer.from('{}'),
        };
  reply.head(ping.status, [...common, ...challenge, ...headers]);
  if (request.method !== 'HEAD') await reply.write(body);
  return reply.end();
}
