import { parseChallenges } from '../http/challenge.js';
import type { Target } from '../http/exchange.js';
import { headerValue, headerValues } from '../http/headers.js';
import type { UpstreamClient } from './contract.js';

export type RegistryAnswer = 'registry' | 'other' | 'unknown';

/**
 * Asks a host whether it is a registry: `GET /v2/` without credentials, answered with the header
 * `Docker-Distribution-Api-Version` or with 401 and a Bearer challenge. Only an HTTP answer below 500 that is not 429 is
 * a verdict; everything else is `unknown` and is asked again later.
 */
export async function askWhetherRegistry(
  client: UpstreamClient,
  target: Target,
  signal: AbortSignal,
): Promise<RegistryAnswer> {
  try {
    const headers = ['Accept', '*/*', 'User-Agent', 'entrepot', 'Accept-Encoding', 'identity'];
    const response = await client.send({ target, method: 'GET', path: '/v2/', headers, signal });
    response.discard();
    if (headerValue(response.headers, 'docker-distribution-api-version') !== undefined) return 'registry';
    if (response.status >= 500 || response.status === 429) return 'unknown';
    const challenges = parseChallenges(headerValues(response.headers, 'www-authenticate'));
    const bearer = challenges.some((challenge) => challenge.scheme === 'bearer' && challenge.params.has('realm'));
    return response.status === 401 && bearer ? 'registry' : 'other';
  } catch {
    return 'unknown';
  }
}
