import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningApp, startApp } from '../../src/app.js';
import { loadConfig } from '../../src/config/load.js';
import type { FakeRegistry } from './fake-registry.js';
import type { Way } from './pull.js';
import type { Place } from './raw-client.js';
import { createTempDir, type TempDir } from './temp-dir.js';

/** The whole proxy in this process, on free ports, with a folder of its own. */
export interface TestProxy extends AsyncDisposable {
  readonly app: RunningApp;
  readonly place: Place;
  /** The way through it: trusts its CA, and the registries' own for what is tunnelled. */
  readonly way: Way;
  readonly folder: string;
  /** The value of one line of /metrics, 0 where there is none. `line` is name and labels as they stand there. */
  metric(line: string): Promise<number>;
  /** Resolves when every download is over and what it brought is stored: a client has its last byte a moment before. */
  settled(): Promise<void>;
  /** Stops it and starts it again on the same folder. */
  restart(flags?: Readonly<Record<string, string>>): Promise<TestProxy>;
  /** Stops it and removes the folder. */
  close(): Promise<void>;
}

export interface ProxyOptions {
  /** Opened by name, trusted as upstreams, and their token servers and CDNs may be tunnelled to. */
  readonly registries: readonly FakeRegistry[];
  /** Further options of `serve`. */
  readonly flags?: Readonly<Record<string, string>>;
}

export async function startProxy(options: ProxyOptions): Promise<TestProxy> {
  const folder = await createTempDir();
  try {
    return await startIn(folder, options);
  } catch (error) {
    await folder.remove();
    throw error;
  }
}

/** The flags that `startProxy` gives, for tests that start the program itself. */
export async function proxyFlags(folder: string, options: ProxyOptions): Promise<Record<string, string>> {
  const { registries } = options;
  const roots = join(folder, 'registries.pem');
  await writeFile(roots, registries.map((registry) => registry.ca).join('\n'));
  const ports = registries.flatMap((one) => [one.tokenAuthority, one.cdnAuthority, one.plainAuthority].map(portOf));
  return {
    listen: '127.0.0.1:0',
    'admin-listen': '127.0.0.1:0',
    'data-dir': join(folder, 'data'),
    'ca-dir': join(folder, 'ca'),
    intercept: registries.map((registry) => registry.authority).join(','),
    'connect-ports': ['443', ...ports].join(','),
    'egress-allow': '127.0.0.0/8',
    'upstream-ca': roots,
    drain: '1s',
    'log-level': process.env['ENTREPOT_TEST_LOG'] ?? 'silent',
    'log-format': 'json',
    ...options.flags,
  };
}

async function startIn(folder: TempDir, options: ProxyOptions): Promise<TestProxy> {
  const flags = await proxyFlags(folder.path, options);
  const app = await startApp(loadConfig({ flags, env: {}, cwd: folder.path }));
  const ca = app.authority === undefined ? [] : [await readFile(app.authority.certificatePath, 'utf8')];
  const place = { host: app.proxy.host, port: app.proxy.port };

  async function close(): Promise<void> {
    await app.stop();
    await folder.remove();
  }

  async function metric(line: string): Promise<number> {
    const response = await fetch(`http://${app.admin?.host}:${app.admin?.port}/metrics`);
    const lines = (await response.text()).split('\n');
    return Number(lines.find((text) => text.startsWith(`${line} `))?.slice(line.length + 1) ?? 0);
  }

  return {
    app,
    place,
    way: { proxy: place, ca: [...ca, ...options.registries.map((registry) => registry.ca)] },
    folder: folder.path,
    metric,
    settled: async () => {
      while ((await metric('entrepot_fills_in_flight')) > 0);
    },
    restart: async (more) => {
      await app.stop();
      return startIn(folder, { ...options, flags: { ...options.flags, ...more } });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function portOf(authority: string): string {
  return authority.slice(authority.lastIndexOf(':') + 1);
}
