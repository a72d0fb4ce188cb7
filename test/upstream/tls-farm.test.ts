import assert from 'node:assert/strict';
import { getDiffieHellman, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type MadeCertificate, type MadeOptions, makeCertificate, subjectOf } from '../support/made-certificate.js';
import { der, extension, pemOf } from '../support/test-certificates.js';
import { type Stand, startTlsFarm, type TlsFarm } from '../support/tls-farm.js';

/*
 * A farm of bad certificates.
 *
 * Whoever can stand between the proxy and a registry must not get a single byte of HTTP: a request carries passwords,
 * and an answer would be stored for everybody. Each row is one way in which a server can fail to be who it says. The
 * client behind the proxy gets a 502 that names the reason, in the registries' own form, from both of the proxy's
 * upstream clients; and the server has seen a handshake and nothing else.
 */

const DAY_MS = 86_400_000;
const DIGEST = `sha256:${'a'.repeat(64)}`;
/** Answered by the two clients that the proxy has for upstreams: the one for all requests, and the one for blobs. */
const PATHS = ['/v2/', `/v2/a/blobs/${DIGEST}`];

/** What is refused: how the server stands, and the reason that the client is told. */
type Row = readonly [title: string, stand: (host: string, farm: TlsFarm) => Stand, reason: RegExp];

/** What a server presents: its certificate and those that it sends along. */
function shown(leaf: MadeCertificate, ...chain: readonly MadeCertificate[]): Stand {
  return { cert: [leaf, ...chain].map((one) => one.pem).join('\n'), key: leaf.keyPem, ciphers: 'ALL:@SECLEVEL=0' };
}

function leaf(host: string, issuer: MadeCertificate, options: Partial<MadeOptions> = {}): MadeCertificate {
  return makeCertificate({ subject: host, names: [host], purpose: 'server', issuer, ...options });
}

function intermediate(issuer: MadeCertificate, options: Partial<MadeOptions> = {}): MadeCertificate {
  return makeCertificate({ subject: 'farm intermediate', authority: {}, issuer, ...options });
}

/** A leaf below an intermediate that is wrong in some way. */
function below(host: string, root: MadeCertificate, options: Partial<MadeOptions>): Stand {
  const middle = intermediate(root, options);
  return shown(leaf(host, middle), middle);
}

/** A group of 1024 bits: SEQUENCE of prime and generator (PKCS #3). */
function weakGroup(): string {
  const prime = Buffer.concat([Buffer.from([0]), getDiffieHellman('modp2').getPrime()]);
  return pemOf('DH PARAMETERS', der(0x30, der(0x02, prime), der(0x02, Buffer.from([2]))));
}

const REFUSED: readonly Row[] = [
  [
    'C01: a certificate that has expired',
    (host, { root }) => shown(leaf(host, root, { validUntil: Date.now() - DAY_MS })),
    /has expired/,
  ],
  [
    'C01: a certificate that is not valid yet',
    (host, { root }) => shown(leaf(host, root, { validFromAt: Date.now() + DAY_MS })),
    /not valid yet/,
  ],
  [
    'C01: an intermediate that has expired',
    (host, { root }) => below(host, root, { validUntil: Date.now() - DAY_MS }),
    /has expired/,
  ],
  [
    'C02: a certificate for another host',
    (host, { root }) => shown(leaf(host, root, { names: ['other.farm.test'] })),
    /another name/,
  ],
  [
    'C02: a wildcard for names one level up',
    (host, { root }) => shown(leaf(host, root, { names: ['*.test'] })),
    /another name/,
  ],
  [
    'C02: a wildcard in the middle',
    (host, { root }) => shown(leaf(host, root, { names: [host.replace('.farm.', '.*.')] })),
    /another name/,
  ],
  ['C02: a wildcard for everything', (host, { root }) => shown(leaf(host, root, { names: ['*'] })), /another name/],
  ['C02: the host as common name only', (host, { root }) => shown(leaf(host, root, { names: [] })), /another name/],
  [
    'C02: the host as an e-mail address and a URL',
    (host, { root }) =>
      shown(leaf(host, root, { names: [der(0x81, Buffer.from(host)), der(0x86, Buffer.from(`https://${host}/`))] })),
    /another name/,
  ],
  [
    'C03: a certificate that signed itself',
    (host) => shown(makeCertificate({ subject: host, names: [host], purpose: 'server' })),
    /signed by itself/,
  ],
  [
    'C03: a CA that signed itself, as leaf',
    (host) => shown(makeCertificate({ subject: host, names: [host], authority: {} })),
    /not for servers/,
  ],
  [
    'C03: a root that is not trusted',
    (host) => shown(leaf(host, makeCertificate({ subject: 'stranger', authority: {} }))),
    /not trusted/,
  ],
  [
    'C03: a root that is not trusted and is sent along',
    (host) => {
      const stranger = makeCertificate({ subject: 'stranger', authority: {} });
      return shown(leaf(host, stranger), stranger);
    },
    /not trusted/,
  ],
  [
    'C03: another root with the name of one that is trusted',
    (host) => {
      const impostor = makeCertificate({ subject: 'farm root', authority: {} });
      return shown(leaf(host, impostor), impostor);
    },
    /not trusted|signature/,
  ],
  [
    'C03: an incomplete chain',
    (host, { root }) => shown(leaf(host, intermediate(root))),
    /not trusted, or it does not send/,
  ],
  [
    "C04: a leaf of the proxy's own CA, though that is named as trusted",
    (host, { own }) => {
      const { certificatesPem, keyPem } = own.issueLeaf(host, Date.now());
      return { cert: certificatesPem, key: keyPem };
    },
    /not trusted/,
  ],
  [
    'C05: an intermediate that is no CA',
    (host, { root }) => below(host, root, { authority: 'absent', signs: true }),
    /no authority/,
  ],
  [
    'C05: a leaf as intermediate',
    (host, { root }) => {
      const middle = leaf('other.farm.test', root);
      return shown(leaf(host, middle), middle);
    },
    /key usage does not include certificate signing/,
  ],
  [
    'C05: a CA below one that allows none',
    (host, { root }) => {
      const upper = intermediate(root, { authority: { pathLength: 0 } });
      const lower = intermediate(upper, { subject: 'farm lower' });
      return shown(leaf(host, lower), lower, upper);
    },
    /more authorities above it/,
  ],
  [
    'C05: a name that its CA may not sign',
    (host, { root }) => below(host, root, { permitted: 'elsewhere.test' }),
    /permitted subtree violation/,
  ],
  [
    'C05: a certificate for clients only',
    (host, { root }) => shown(leaf(host, root, { purpose: 'client' })),
    /not for servers/,
  ],
  ['C06: a key of RSA-1024', (host, { root }) => shown(leaf(host, root, { key: 'rsa1024' })), /too (?:small|weak)/],
  ['C06: a key on a curve of 192 bits', (host, { root }) => shown(leaf(host, root, { key: 'P-192' })), /./],
  ['C06: an intermediate of RSA-1024', (host, { root }) => below(host, root, { key: 'rsa1024' }), /too (?:small|weak)/],
  ['C06: a signature of SHA-1', (host, { root }) => shown(leaf(host, root, { hash: 'sha1' })), /too weak/],
  [
    'C06: an RSA signature of SHA-1',
    (host, { root }) => {
      const middle = intermediate(root, { key: 'rsa2048' });
      return shown(leaf(host, middle, { hash: 'sha1' }), middle);
    },
    /too weak/,
  ],
  [
    'C06: a signature of MD5',
    (host, { root }) => {
      const middle = intermediate(root, { key: 'rsa2048' });
      return shown(leaf(host, middle, { hash: 'md5' }), middle);
    },
    /too weak/,
  ],
  ['C06: an intermediate signed with SHA-1', (host, { root }) => below(host, root, { hash: 'sha1' }), /too weak/],
  [
    'C06: TLS 1.0',
    (host, { root }) => ({ ...shown(leaf(host, root)), minVersion: 'TLSv1', maxVersion: 'TLSv1' }),
    /no TLS from 1\.2 on/,
  ],
  [
    'C06: TLS 1.1',
    (host, { root }) => ({ ...shown(leaf(host, root)), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }),
    /no TLS from 1\.2 on/,
  ],
  [
    'C06: a key exchange of DH-1024',
    (host, { root }) => ({
      ...shown(leaf(host, root, { key: 'rsa2048' })),
      maxVersion: 'TLSv1.2',
      ciphers: 'DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0',
      dhparam: weakGroup(),
    }),
    /too weak/,
  ],
  [
    'C06: no encryption',
    (host, { root }) => ({
      ...shown(leaf(host, root, { key: 'rsa2048' })),
      maxVersion: 'TLSv1.2',
      ciphers: 'NULL-SHA256:@SECLEVEL=0',
    }),
    /HANDSHAKE_FAILURE/,
  ],
  [
    'C06: a handshake signed with SHA-1',
    (host, { root }) => ({
      ...shown(leaf(host, root, { key: 'rsa2048' })),
      maxVersion: 'TLSv1.2',
      sigalgs: 'RSA+SHA1',
    }),
    /./,
  ],
  [
    'C09: a name with NUL in it',
    (host, { root }) => shown(leaf(host, root, { names: [der(0x82, Buffer.from(`${host}\0.evil.test`))] })),
    /another name/,
  ],
  [
    'C09: a name with a comma and another name in it',
    (host, { root }) => shown(leaf(host, root, { names: [der(0x82, Buffer.from(`x, DNS:${host}`))] })),
    /another name/,
  ],
  [
    'C09: names of odd kinds only',
    (host, { root }) =>
      shown(
        leaf(host, root, {
          names: [der(0x88, Buffer.from('2a0304', 'hex')), der(0xa0, Buffer.from('06032a0304a0040c026869', 'hex'))],
        }),
      ),
    /another name/,
  ],
  [
    'C13: nothing but HTTP/2',
    (host, { root }) => ({ ...shown(leaf(host, root)), ALPNProtocols: ['h2'] }),
    /does not speak HTTP\/1\.1/,
  ],
];

const ACCEPTED: readonly (readonly [title: string, stand: (host: string, farm: TlsFarm) => Stand])[] = [
  ['C01: a certificate in its time', (host, { root }) => shown(leaf(host, root))],
  ['C02: a wildcard on its own level', (host, { root }) => shown(leaf(host, root, { names: ['*.farm.test'] }))],
  [
    'C03: a deep chain, sent in full',
    (host, { root }) => {
      const chain = [1, 2, 3, 4].reduce<MadeCertificate[]>(
        (above, depth) => [intermediate(above[0] ?? root, { subject: `farm ${depth}` }), ...above],
        [],
      );
      return shown(leaf(host, chain[0] ?? root), ...chain);
    },
  ],
  [
    'C03: a chain with its root and a certificate that does not belong',
    (host, { root }) => {
      const middle = intermediate(root);
      return shown(leaf(host, middle), makeCertificate({ subject: 'other', authority: {} }), middle, root);
    },
  ],
  ['C05: a name that its CA may sign', (host, { root }) => below(host, root, { permitted: 'farm.test' })],
  [
    'C06: RSA-2048 over TLS 1.2',
    (host, { root }) => ({ ...shown(leaf(host, root, { key: 'rsa2048' })), maxVersion: 'TLSv1.2' }),
  ],
  [
    'C06: P-384 below RSA',
    (host, { root }) => {
      const middle = intermediate(root, { key: 'rsa2048' });
      return shown(leaf(host, middle, { key: 'P-384' }), middle);
    },
  ],
  [
    'C09: a thousand names',
    (host, { root }) =>
      shown(leaf(host, root, { names: [...Array.from({ length: 999 }, (_, n) => `n${n}.farm.test`), host] })),
  ],
  ['C13: HTTP/1.1 without ALPN', (host, { root }) => shown(leaf(host, root))],
  [
    'C13: HTTP/1.1 beside HTTP/2',
    (host, { root }) => ({ ...shown(leaf(host, root)), ALPNProtocols: ['h2', 'http/1.1'] }),
  ],
];

describe('upstream/tls-farm', () => {
  let farm: TlsFarm;
  /** Each row has a host of its own, so that no connection of another row serves it. */
  let rows = 0;
  before(async () => {
    farm = await startTlsFarm();
  });
  after(() => farm[Symbol.asyncDispose]());

  function nextHost(): string {
    rows += 1;
    return `row-${rows}.farm.test`;
  }

  async function assertRefused(host: string, reason: RegExp): Promise<void> {
    for (const path of PATHS) {
      const answer = await farm.ask(host, path);
      assert.equal(answer.status, 502, answer.body.toString());
      assert.match(answer.header('content-type') ?? '', /^application\/json/);
      const { errors } = JSON.parse(answer.body.toString()) as { errors: { code: string; message: string }[] };
      assert.equal(errors[0]?.code, 'UNAVAILABLE');
      const message = errors[0]?.message ?? '';
      assert.ok(message.includes(host), message);
      assert.match(message, reason);
    }
    await farm.quiet();
    assert.equal(farm.bytes, 0);
    assert.ok(farm.connections >= PATHS.length);
  }

  describe('refuses', () => {
    for (const [title, stand, reason] of REFUSED) {
      it(title, async () => {
        const host = nextHost();
        farm.stand(stand(host, farm));
        await assertRefused(host, reason);
      });
    }

    it("C04: a leaf of the proxy's own CA, though a trusted root stands above that", async () => {
      const host = nextHost();
      const { certificatesPem, keyPem } = farm.own.issueLeaf(host, Date.now());
      const { publicKey } = new X509Certificate(farm.own.certificatePem);
      const crossed = makeCertificate({
        subject: subjectOf(farm.own.certificatePem),
        publicKey,
        authority: {},
        issuer: farm.root,
      });
      farm.stand({ cert: `${certificatesPem}\n${crossed.pem}`, key: keyPem });
      await assertRefused(host, /own CA/);
    });

    it('C09: ten thousand names, or takes them', async () => {
      const host = nextHost();
      const names = [...Array.from({ length: 9999 }, (_, n) => `n${n}.farm.test`), host];
      farm.stand(shown(leaf(host, farm.root, { names })));
      const { status } = await farm.ask(host, '/v2/');
      assert.ok(status === 200 || status === 502, String(status));
    });

    it('C13: HTTP/2 from one that has not asked whether we speak it', async () => {
      const host = nextHost();
      farm.stand(shown(leaf(host, farm.root)));
      // The settings that a server of HTTP/2 begins with (RFC 9113 section 3.4).
      farm.onSecure = (socket) => socket.write(Buffer.from('000000040000000000', 'hex'));
      for (const path of PATHS) assert.equal((await farm.ask(host, path)).status, 502);
    });

    it('C03: what is not TLS at all', async () => {
      const host = nextHost();
      farm.answerWith((socket) => socket.resume().end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
      await assertRefused(host, /does not speak TLS/);
    });
  });

  describe('takes', () => {
    for (const [title, stand] of ACCEPTED) {
      it(title, async () => {
        const host = nextHost();
        farm.stand(stand(host, farm));
        const { status, body } = await farm.ask(host, '/v2/');
        assert.equal(status, 200, body.toString());
        // An answer that takes its time makes the proxy ask whether anybody is there, by the same request.
        assert.deepEqual([...new Set(farm.requests)], ['GET /v2/ HTTP/1.1']);
      });
    }

    it('a certificate that its CA may have taken back, for nobody is asked', async () => {
      const host = nextHost();
      let visits = 0;
      const place = createServer((socket) => {
        visits += 1;
        socket.destroy();
      }).listen(0, '127.0.0.1');
      await once(place, 'listening');
      const url = der(0x86, Buffer.from(`http://127.0.0.1:${(place.address() as AddressInfo).port}/`));
      const extensions = [
        // Where the list of revocations is (RFC 5280 section 4.2.1.13), and who answers for one certificate (4.2.2.1).
        extension('0603551d1f', der(0x30, der(0x30, der(0xa0, der(0xa0, url))))),
        extension('06082b06010505070101', der(0x30, der(0x30, Buffer.from('06082b06010505073001', 'hex'), url))),
      ];
      farm.stand(shown(leaf(host, farm.root, { extensions })));
      assert.equal((await farm.ask(host, '/v2/')).status, 200);
      assert.equal(visits, 0);
      place.close();
      await once(place, 'close');
    });

    it('C02: an address that stands in the certificate as an address', async () => {
      farm.stand(shown(leaf('127.0.0.1', farm.root)));
      assert.equal((await farm.ask('127.0.0.1', '/v2/')).status, 200);
    });
  });
});
