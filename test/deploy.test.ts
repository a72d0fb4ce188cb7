import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { OPTIONS } from '../src/config/option-table.js';
import { PACKAGE_ROOT } from '../src/config/paths.js';
import { parseDuration } from '../src/config/units.js';

function read(...names: readonly string[]): string {
  return readFileSync(path.join(PACKAGE_ROOT, ...names), 'utf8');
}

interface Service {
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly privileged?: boolean;
  readonly user?: string;
  readonly network_mode?: string;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly stop_grace_period?: string;
  readonly ulimits?: Readonly<Record<string, number>>;
}

describe('deploy', () => {
  it('I20: starts what has ended by a fault again, and not what has bad options', () => {
    const unit = read('deploy', 'entrepot.service');
    assert.match(unit, /^Restart=on-failure$/m);
    assert.match(unit, /^RestartPreventExitStatus=2$/m);
    assert.match(read('deploy', 'compose.yaml'), /^ +restart: unless-stopped$/m);
  });

  it('runs the image as an ordinary user who owns nothing but its two folders', () => {
    const [, ...stages] = read('Dockerfile').split(/^FROM /m);
    const last = stages.at(-1) ?? '';
    const [, user = '', group = ''] = /^USER (\d+):(\d+)$/m.exec(last) ?? [];
    assert.ok(Number(user) > 0 && Number(group) > 0);
    assert.match(last, /^VOLUME \["\/data", "\/ca"\]$/m);
    assert.match(last, /^RUN install -d -o node -g node -m 0700 \/data \/ca$/m);
    assert.doesNotMatch(last, /--chown|chmod|\bsudo\b|setcap|^ADD /m);
    assert.ok(last.indexOf('\nUSER ') > last.lastIndexOf('\nRUN '), 'nothing is installed as that user');
  });

  it('builds the image from what the lockfile names, and lets nothing else into the build', () => {
    assert.match(read('Dockerfile'), /^RUN npm ci /m);
    const [first, ...rest] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(first, '*');
    assert.deepEqual(rest, ['!package.json', '!package-lock.json', '!tsconfig.json', '!src']);
  });

  it('gives the container a root that it cannot write, no capability and no way to new privileges', () => {
    const { services } = parse(read('deploy', 'compose.yaml')) as { services: Record<string, Service> };
    const all = Object.values(services);
    assert.ok(all.length > 0);
    for (const service of all) {
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
      assert.equal(service.cap_add, undefined);
      assert.ok(service.security_opt?.includes('no-new-privileges:true'));
      assert.ok(service.security_opt?.every((option) => !/unconfined|disable/.test(option)));
      assert.deepEqual([service.privileged, service.network_mode, service.user], [undefined, undefined, undefined]);
      assert.ok(
        service.volumes?.every((volume) => /^(?:data|ca):/.test(volume)),
        'only volumes of its own',
      );
    }
  });

  it('F09: lets the container write no dump of its memory', () => {
    const { services } = parse(read('deploy', 'compose.yaml')) as { services: Record<string, Service> };
    for (const { ulimits } of Object.values(services)) assert.equal(ulimits?.['core'], 0);
  });

  it('keeps the admin port of the container on the machine', () => {
    const { services } = parse(read('deploy', 'compose.yaml')) as { services: Record<string, Service> };
    const admin = Object.values(services).flatMap(({ ports = [] }) => ports.filter((port) => port.endsWith(':3129')));
    assert.deepEqual(admin, ['127.0.0.1:3129:3129']);
  });

  it('gives the proxy longer to stop than it lets downloads take', () => {
    const drain = OPTIONS.find(({ name }) => name === 'drain')?.default;
    const drainMs = parseDuration(String(drain));
    const { services } = parse(read('deploy', 'compose.yaml')) as { services: Record<string, Service> };
    for (const service of Object.values(services)) {
      assert.ok(parseDuration(service.stop_grace_period ?? '0') > drainMs);
    }
    const [, seconds] = /^TimeoutStopSec=(\d+)$/m.exec(read('deploy', 'entrepot.service')) ?? [];
    assert.ok(parseDuration(`${seconds}s`) > drainMs);
  });

  it('asks for the health of the image where the proxy listens, wherever that is', async () => {
    const [, command = '[]'] = /^HEALTHCHECK [^\n]*\n +CMD (\[.*\])$/m.exec(read('Dockerfile')) ?? [];
    const [program, ...rest] = JSON.parse(command) as string[];
    assert.equal(program, 'node');
    const check = async (listen: string): Promise<boolean> => {
      const env = { ...process.env, ENTREPOT_LISTEN: listen, ENTREPOT_ADMIN_LISTEN: 'off' };
      return promisify(execFile)(process.execPath, rest, { env }).then(
        () => true,
        () => false,
      );
    };
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(403).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      for (const host of ['127.0.0.1', '0.0.0.0', '[::]']) assert.ok(await check(`${host}:${port}`), host);
    } finally {
      server.close();
      server.closeAllConnections();
    }
    assert.deepEqual(paths, ['/ca.crt', '/ca.crt', '/ca.crt']);
    await once(server, 'close');
    assert.equal(await check(`127.0.0.1:${port}`), false);
  });

  it('sets each variable of the unit once, and listens where the image does', () => {
    const lines = read('deploy', 'entrepot.service').match(/^Environment=.*$/gm) ?? [];
    const variables = lines.flatMap((line) => line.slice('Environment='.length).split(' '));
    const names = variables.map((variable) => variable.split('=')[0]);
    assert.deepEqual(names, [...new Set(names)]);
    const listens = variables.find((variable) => variable.startsWith('ENTREPOT_LISTEN='));
    assert.ok(listens !== undefined && read('Dockerfile').includes(`  ${listens} \\\n`));
  });

  const UNIT: readonly (readonly [key: string, value: string])[] = [
    ['DynamicUser', 'yes'],
    ['NoNewPrivileges', 'yes'],
    ['CapabilityBoundingSet', ''],
    ['AmbientCapabilities', ''],
    ['ProtectSystem', 'strict'],
    ['ProtectHome', 'yes'],
    ['PrivateTmp', 'yes'],
    ['PrivateDevices', 'yes'],
    ['ProtectKernelModules', 'yes'],
    ['ProtectKernelTunables', 'yes'],
    ['ProtectControlGroups', 'yes'],
    ['RestrictNamespaces', 'yes'],
    ['RestrictSUIDSGID', 'yes'],
    ['LockPersonality', 'yes'],
    ['SystemCallArchitectures', 'native'],
    ['SystemCallFilter', '@system-service'],
    ['LimitCORE', '0'],
    ['StateDirectoryMode', '0700'],
    ['UMask', '0077'],
  ];
  for (const [key, value] of UNIT) {
    it(`has ${key}=${value} in the unit`, () => {
      const lines = read('deploy', 'entrepot.service').split('\n');
      assert.deepEqual(
        lines.filter((line) => line.startsWith(`${key}=`)),
        [`${key}=${value}`],
      );
    });
  }

  it('switches no check of certificates off anywhere', () => {
    for (const file of [['Dockerfile'], ['deploy', 'compose.yaml'], ['deploy', 'entrepot.service'], ['package.json']]) {
      assert.doesNotMatch(read(...file), /REJECT_UNAUTHORIZED|strict-ssl|--insecure|insecure:/);
    }
  });
});
