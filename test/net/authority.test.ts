import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { ProxyError } from '../../src/errors.js';
import { formatAuthority, parseAuthority } from '../../src/net/authority.js';

function refuses(text: string, defaultPort?: number): void {
  assert.throws(
    () => parseAuthority(text, defaultPort),
    (error) => error instanceof ProxyError && error.code === 'bad-authority' && error.message.length < 400,
    JSON.stringify(text),
  );
}

describe('net/authority', () => {
  const accepted: [string, string, number][] = [
    ['ghcr.io:443', 'ghcr.io', 443],
    ['GHCR.IO:443', 'ghcr.io', 443],
    ['ghcr.io.:443', 'ghcr.io', 443],
    ['registry:5000', 'registry', 5000],
    ['my_registry.corp:65535', 'my_registry.corp', 65_535],
    ['xn--bcher-kva.example:1', 'xn--bcher-kva.example', 1],
    ['3com.example:443', '3com.example', 443],
    ['1.2.3.4:443', '1.2.3.4', 443],
    ['[2001:DB8:0:0::1]:443', '2001:db8::1', 443],
    ['[::1]:5000', '::1', 5000],
    [`${'a'.repeat(63)}.test:443`, `${'a'.repeat(63)}.test`, 443],
    ['constructor:443', 'constructor', 443],
  ];
  for (const [text, host, port] of accepted) {
    it(`reads ${text}`, () => {
      const read = parseAuthority(text);
      assert.equal(read.host, host);
      assert.equal(read.port, port);
      assert.equal(read.isAddress, /^[\d.]+$|:/.test(host));
    });
  }

  it('takes names up to 253 characters', () => {
    const label = 'a'.repeat(62);
    const name = [label, label, label, label, 'b'].join('.');
    assert.equal(name.length, 253);
    assert.equal(parseAuthority(`${name}:443`).host, name);
    refuses(`b${name}:443`);
  });

  const refused = [
    ['', ':', ':443', 'ghcr.io', 'ghcr.io:', 'ghcr.io:0', 'ghcr.io:65536', 'ghcr.io:443x', 'ghcr.io:0443'],
    ['ghcr.io:-1', 'ghcr.io:4 4', 'ghcr.io:443:443', 'ghcr.io:٤٤٣', 'ghcr.io: 443', 'ghcr.io:+443', 'ghcr.io:1e2'],
    ['127.1:443', '0x7f.1:443', '0x7f000001:443', '2130706433:443', '0177.0.0.1:443', '0:443', '1:443', '0x:443'],
    ['999.999.1.1:443', '1.2.3:443', '1.2.3.4.5:443', '127.0.0.1.:443', '1.2.3.256:443', 'host.1:443', 'host.0X7F:443'],
    ['①②⑦.⓪.⓪.①:443', 'bücher.example:443', 'ｇhcr.io:443', 'ghcr。io:443', '\u00e9:443'],
    ['a\0b:443', 'a\rb:443', 'a\nb:443', 'a b:443', ' a:443', 'a :443', 'a%00:443', 'a%2eb:443', 'u@a:443', 'a/b:443'],
    [
      'a?b:443',
      'a#b:443',
      'a\\b:443',
      '..:443',
      '.:443',
      '.a:443',
      'a..b:443',
      'a..:443',
      '-a:443',
      'a-:443',
      'a.-b:443',
    ],
    [
      '[example.com]:443',
      '[1.2.3.4]:443',
      '[::1',
      '[::1]',
      '[]:443',
      '[::1]443',
      '[fe80::1%eth0]:443',
      '[fe80::1%25eth0]:443',
    ],
    ['::1:443', '::1', '[::ffff:127.0.0.1]:443', '[::ffff:7f00:1]:443', '[::1]]:443', 'a[::1]:443', '[[::1]]:443'],
    ['http://a:443', 'constructor', '__proto__', '../../x:443', `${'a'.repeat(64)}:443`, `${'x'.repeat(2048)}:443`],
  ].flat();
  for (const text of refused) {
    it(`A03, A04: refuses ${JSON.stringify(text.slice(0, 40))}`, () => refuses(text));
  }

  it('uses the default port only where no port is named', () => {
    assert.equal(parseAuthority('ghcr.io', 443).port, 443);
    assert.equal(parseAuthority('[::1]', 443).port, 443);
    assert.equal(parseAuthority('ghcr.io:8443', 443).port, 8443);
    refuses('ghcr.io:', 443);
  });

  it('writes an authority that reads back the same', () => {
    for (const [text, host, port] of accepted) {
      const read = parseAuthority(formatAuthority(host, port));
      assert.deepEqual(read, parseAuthority(text));
    }
    assert.equal(formatAuthority('ghcr.io', 443, 443), 'ghcr.io');
    assert.equal(formatAuthority('::1', 443, 443), '[::1]');
    assert.equal(formatAuthority('::1', 5000, 443), '[::1]:5000');
  });

  it('A04: gives one spelling or a bad-authority, whatever the text', () => {
    const nasty = fc.string({ unit: fc.constantFrom(...Array.from('a0xA.:-_[]%@/\0\r f1é')), maxLength: 30 });
    fc.assert(
      fc.property(fc.oneof(fc.string(), nasty), (text) => {
        let read: ReturnType<typeof parseAuthority>;
        try {
          read = parseAuthority(text);
        } catch (error) {
          assert.ok(error instanceof ProxyError && error.code === 'bad-authority', String(error));
          return;
        }
        assert.match(read.host, /^[a-z0-9._:-]+$/);
        assert.ok(read.port >= 1 && read.port <= 65_535);
        assert.deepEqual(parseAuthority(formatAuthority(read.host, read.port)), read);
      }),
      { numRuns: 3000 },
    );
  });

  for (const text of [
    'me:s3cret@registry.test:443',
    'registry.test:443?token=s3cret',
    'a/s3cret@x',
    'x#s3cret',
    '[s3cret@::1',
  ]) {
    it(`does not repeat ${text}, in which a secret may stand (F04)`, () => {
      assert.throws(
        () => parseAuthority(text),
        (error: Error) => /is not a host and port/.test(error.message) && !error.message.includes('s3cret'),
      );
    });
  }
});
