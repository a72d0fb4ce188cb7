import { ProxyError } from '../errors.js';
import type { Target } from '../http/exchange.js';
import type { UpstreamClient } from './contract.js';

/** Ports that every registry may send us to. */
const WEB_PORTS: Readonly<Record<Target['scheme'], number>> = { https: 443, http: 80 };

/**
 * Keeps redirects and token realms to ports that are open: that of their scheme, the registry's own, and what `isOpen`
 * says (`--connect-ports`, hosts named with their port). A registry could otherwise have this proxy knock at any port
 * of any address that it may reach (threats A06, A15).
 */
export function withRedirectPorts(
  client: UpstreamClient,
  isOpen: (host: string, port: number) => boolean,
): UpstreamClient {
  return {
    async send(request) {
      const { target, onBehalfOf } = request;
      if (onBehalfOf !== undefined && !isFree(target, onBehalfOf) && !isOpen(target.host, target.port)) {
        throw new ProxyError(
          'upstream-redirect',
          `${onBehalfOf.host} leads to port ${target.port} of ${target.host}, which is not open; --connect-ports opens it.`,
        );
      }
      return client.send(request);
    },
    close: () => client.close(),
  };
}

function isFree(target: Target, registry: Target): boolean {
  return target.port === registry.port || target.port === WEB_PORTS[target.scheme];
}
