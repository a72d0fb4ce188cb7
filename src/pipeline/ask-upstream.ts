import { contentLength } from '../http/headers.js';
import type { UpstreamClient, UpstreamRequest, UpstreamResponse } from '../upstream/contract.js';
import type { PipelineContext } from './context.js';
import type { Trace } from './trace.js';

/** An upstream client as one exchange uses it: each request is counted and its wait for the head is timed. */
export function upstreamFor(context: PipelineContext, trace: Trace, client: UpstreamClient): UpstreamClient {
  const { metrics } = context;
  return {
    async send(request: UpstreamRequest): Promise<UpstreamResponse> {
      const startedAt = performance.now();
      const labels = { registry: trace.registry, kind: trace.kind, method: request.method };
      try {
        const response = await client.send(request);
        metrics.upstreamRequest({ ...labels, status: response.status });
        return response;
      } catch (error) {
        metrics.upstreamRequest({ ...labels, status: 0 });
        throw error;
      } finally {
        trace.upstreamMs += performance.now() - startedAt;
      }
    },
    close: () => client.close(),
  };
}

/** The length that an answer announces; undefined where it announces none or nothing sensible. */
export function announcedLength(response: Pick<UpstreamResponse, 'headers'>): number | undefined {
  try {
    return contentLength(response.headers);
  } catch {
    return undefined;
  }
}
