import http from 'node:http';
import { type AdminOptions, type AdminServer, createAdminServer } from '../../src/admin/server.js';
import { parseHostPatterns } from '../../src/net/host-pattern.js';
import { createSilentLogger } from '../../src/telemetry/log.js';
import { createMetrics } from '../../src/telemetry/metrics.js';
import { createStage, type Stage } from '../inventory/stage.js';

export interface ApiAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  readonly json: unknown;
}

/** The admin API over a store in memory. */
export interface AdminStage extends Stage {
  readonly server: AdminServer;
  readonly url: URL;
  readonly token: string;
  ask(method: string, path: string, body?: object | string, headers?: http.OutgoingHttpHeaders): Promise<ApiAnswer>;
  close(): Promise<void>;
}

const TOKEN = 'the-token-of-this-test';

export async function createAdminStage(change: Partial<AdminOptions> = {}): Promise<AdminStage> {
  const stage = createStage();
  const server = await createAdminServer({
    listen: { host: '127.0.0.1', port: 0 },
    metrics: createMetrics({ nodeDefaults: false }),
    offer: () => ({ pem: 'PEM', der: Buffer.from('DER'), fingerprints: 'AA, BB', derFingerprint: 'BB' }),
    readiness: () => ({ ready: true, faults: [] }),
    stats: async () => ({ later: 'figure' }) as never,
    inventory: stage.operations,
    token: TOKEN,
    hosts: parseHostPatterns([]),
    logger: createSilentLogger(),
    ...change,
  });

  async function ask(
    method: string,
    path: string,
    body?: object | string,
    more: http.OutgoingHttpHeaders = {},
  ): Promise<ApiAnswer> {
    const headers = {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...more,
    };
    const request = http.request({ host: server.host, port: server.port, path, method, headers, agent: false });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', reject);
      request.end(typeof body === 'object' ? JSON.stringify(body) : body);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      get json() {
        return JSON.parse(text) as unknown;
      },
    };
  }

  const own = {
    server,
    url: new URL(`http://127.0.0.1:${server.port}`),
    token: TOKEN,
    ask,
    close: () => server.close(),
  };
  return Object.assign(stage, own);
}
