import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { type MadeCertificate, makeCertificate, makeRevocationList } from '../support/made-certificate.js';
import { type Stand, startTlsFarm, type TlsFarm } from '../support/tls-farm.js';

/*
 * TLS settings of single registries.
 *
 * A root, a client certificate or a check switched off counts for the hosts that it was configured for, and for no
 * other: not for one behind the same address and port, and not because a connection or a session is there already.
 */

const rootOfA = makeCertificate({ subject: 'root of A', authority: {} });
const rootOfB = makeCertificate({ subject: 'root of B', authority: {} });
const clients = makeCertificate({ subject: 'CA of clients', authority: {} });
const us = makeCertificate({ subject: 'entrepot', issuer: clients, purpose: 'client' });

function shown(issuer: MadeCertificate | undefined, ...names: readonly string[]): Stand {
  const leaf = makeCertificate({ subject: names[0] ?? '', names, purpose: 'server', ...(issuer && { issuer }) });
  return { cert: leaf.pem, key: leaf.keyPem };
}

describe('upstream/registry-tls', () => {
  let farm: TlsFarm;
  beforeEach(async () => {
    farm = await startTlsFarm({
      registries: async (folder) => {
        const files = { 'a.pem': rootOfA.pem, 'b.pem': rootOfB.pem, 'us.crt': us.pem, 'us.key': us.keyPem };
        await Promise.all(Object.entries(files).map(([name, text]) => writeFile(join(folder, name), text)));
        return [
          '  "*.a.farm.test": {ca: a.pem}',
          '  "*.b.farm.test": {ca: b.pem}',
          '  mutual.farm.test: {clientCert: us.crt, clientKey: us.key}',
          '  open.farm.test: {insecure: true}',
        ].join('\n');
      },
    });
  });
  afterEach(() => farm[Symbol.asyncDispose]());

  async function statusOf(host: string, path = '/v2/'): Promise<number> {
    return (await farm.ask(host, path)).status;
  }

  it('C12: trusts the root of a registry there, and nowhere else', async () => {
    for (const [root, host, status] of [
      [rootOfA, '1.a.farm.test', 200],
      [rootOfA, '2.b.farm.test', 502],
      [rootOfA, '3.farm.test', 502],
      [rootOfB, '4.b.farm.test', 200],
      [rootOfB, '5.a.farm.test', 502],
      [rootOfB, 'b.farm.test', 502],
    ] as const) {
      farm.stand(shown(root, host));
      assert.equal(await statusOf(host), status, host);
      if (status === 502) {
        await farm.quiet();
        assert.equal(farm.bytes, 0);
      }
    }
  });

  it('C11: goes on trusting the roots of all where a registry has one of its own', async () => {
    farm.stand(shown(farm.root, 'x.a.farm.test'));
    assert.equal(await statusOf('x.a.farm.test'), 200);
  });

  it('C12: takes no connection or session of one host for another behind the same address', async () => {
    farm.stand(shown(farm.root, 'first.farm.test'));
    assert.equal(await statusOf('first.farm.test'), 200);
    assert.equal(await statusOf('second.farm.test'), 502);
    assert.equal(await statusOf('first.farm.test'), 200);
    assert.deepEqual(farm.requests, ['GET /v2/ HTTP/1.1', 'GET /v2/ HTTP/1.1']);
  });

  it('shows its certificate to the registry that it is for, and to no other that asks', async () => {
    const asking = { requestCert: true, rejectUnauthorized: false, ca: clients.pem };
    const seen: (string | undefined)[] = [];
    for (const host of ['mutual.farm.test', 'a.farm.test', 'other.farm.test']) {
      farm.stand({ ...shown(farm.root, host), ...asking });
      farm.onSecure = (socket) => seen.push(socket.getPeerX509Certificate()?.subject);
      assert.equal(await statusOf(host), 200);
    }
    assert.deepEqual(seen, ['CN=entrepot', undefined, undefined]);
  });

  const UNCHECKED = [
    ['signed itself', () => shown(undefined, 'open.farm.test')],
    ['is for another host', () => shown(rootOfA, 'elsewhere.test')],
  ] as const;
  for (const [what, stand] of UNCHECKED) {
    it(`takes a certificate that ${what} where the registry is insecure, and nowhere else`, async () => {
      farm.stand(stand());
      assert.equal(await statusOf('open.farm.test'), 200);
      assert.equal(await statusOf('other.farm.test'), 502);
      assert.deepEqual(farm.requests, ['GET /v2/ HTTP/1.1']);
    });
  }

  it('C04: refuses what its own CA signed even where the registry is insecure', async () => {
    const { certificatesPem, keyPem } = farm.own.issueLeaf('open.farm.test', Date.now());
    farm.stand({ cert: certificatesPem, key: keyPem });
    const { status, body } = await farm.ask('open.farm.test', '/v2/');
    assert.equal(status, 502);
    assert.match(body.toString(), /own CA/);
    await farm.quiet();
    assert.equal(farm.bytes, 0);
  });

  it('tells of insecure registries in readiness and metrics', async () => {
    const at = `http://${farm.app.admin?.host}:${farm.app.admin?.port}`;
    const ready = (await (await fetch(`${at}/readyz`)).json()) as { ready: boolean; warnings: string[] };
    assert.equal(ready.ready, true);
    assert.ok(ready.warnings.some((warning) => warning.includes('open.farm.test')));
    assert.match(await (await fetch(`${at}/metrics`)).text(), /^entrepot_insecure_registries 1$/m);
  });

  it('C10: lets no certificate change on an open connection, and goes on with another', async () => {
    farm.stand({ ...shown(farm.root, 'c.farm.test'), maxVersion: 'TLSv1.2' });
    let changed = false;
    farm.onSecure = (socket) => {
      socket.once('data', () => {
        socket.setKeyCert(createSecureContext(shown(rootOfA, 'evil.test')));
        socket.renegotiate({}, (error) => {
          changed = error === null;
        });
      });
    };
    assert.equal(await statusOf('c.farm.test'), 200);
    await farm.quiet();
    assert.equal(changed, false);
    farm.stand(shown(farm.root, 'c.farm.test'));
    assert.equal(await statusOf('c.farm.test'), 200);
    assert.equal(farm.connections, 1);
  });

  describe('C07: where there is a list of revoked certificates', () => {
    const host = 'listed.farm.test';
    const root = makeCertificate({ subject: 'root of the list', authority: {} });
    const middle = makeCertificate({ subject: 'between', authority: {}, issuer: root });
    const [good, bad] = [root, root].map((issuer) =>
      makeCertificate({ subject: host, names: [host], purpose: 'server', issuer }),
    ) as [MadeCertificate, MadeCertificate];
    const below = makeCertificate({ subject: host, names: [host], purpose: 'server', issuer: middle });

    async function startWith(...lists: readonly string[]): Promise<void> {
      await farm[Symbol.asyncDispose]();
      farm = await startTlsFarm({
        roots: () => [root],
        registries: async (folder) => {
          await writeFile(join(folder, 'lists.pem'), lists.join(''));
          return `  ${host}: {crl: lists.pem}`;
        },
      });
    }

    async function refused(reason: RegExp, ...chain: readonly [MadeCertificate, ...MadeCertificate[]]): Promise<void> {
      farm.stand({ cert: chain.map(({ pem }) => pem).join('\n'), key: chain[0].keyPem });
      const { status, body } = await farm.ask(host, '/v2/');
      assert.equal(status, 502);
      assert.match(body.toString(), reason);
      await farm.quiet();
      assert.equal(farm.bytes, 0);
    }

    it('refuses what stands in it, and takes the others', async () => {
      await startWith(makeRevocationList(root, [bad]));
      await refused(/was revoked \(CERT_REVOKED\)/, bad);
      farm.stand({ cert: good.pem, key: good.keyPem });
      assert.equal(await statusOf(host), 200);
    });

    it('refuses what is below a revoked authority, and what nobody has a list for', async () => {
      await startWith(makeRevocationList(root, [middle]), makeRevocationList(middle, []));
      await refused(/was revoked/, below, middle);
      await startWith(makeRevocationList(root, []));
      await refused(/no list of revoked certificates/, below, middle);
    });

    it('refuses everything once the list has expired', async () => {
      await startWith(makeRevocationList(root, [], Date.now() - 60_000));
      await refused(/has expired \(CRL_HAS_EXPIRED\)/, good);
    });
  });
});
