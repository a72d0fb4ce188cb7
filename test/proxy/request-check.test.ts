import assert from 'node:assert/strict';
import { ProxyError } from '../../src/errors.js';
import type { Target } from '../../src/http/exchange.js';
import { checkPlainRequest, checkTunnelRequest, type RequestHead } from '../../src/proxy/request-check.js';

const target: Target = { scheme: 'https', host: 'registry.test', port: 443 };

function head(changes: Partial<RequestHead> = {}, ...headers: string[]): RequestHead {
  return {
    method: 'GET',
    url: '/v2/',
    httpVersion: '1.1',
    rawHeaders: ['Host', 'registry.test', ...headers],
    ...changes,
  };
}

function refusedWith(status: number, run: () => unknown): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof ProxyError, String(error));
    assert.equal(error.status, status, error.message);
    return true;
  });
}

function filler(count: number): string[] {
  return Array.from({ length: count }, (_, i) => [`X-${i}`, 'y']).flat();
}

function post(changes: Partial<RequestHead>, ...headers: string[]) {
  return checkTunnelRequest(head({ method: 'POST', ...changes }, ...headers), target);
}

describe('proxy/request-check', () => {
  it('passes an ordinary request, path byte for byte', () => {
    const url = '/v2/a%2Fb/../c//d;e?x=%zz&y=|';
    assert.deepEqual(checkTunnelRequest(head({ url }), target), { target, path: url, hasBody: false });
  });

  for (const host of ['registry.test', 'REGISTRY.test', 'registry.test:443', 'registry.test.', ' registry.test ']) {
    it(`takes Host ${JSON.stringify(host)} for the server of the CONNECT`, () => {
      checkTunnelRequest(head({ rawHeaders: ['host', host] }), target);
    });
  }

  it('compares Host with the port of the CONNECT', () => {
    const other: Target = { ...target, port: 5000 };
    checkTunnelRequest(head({ rawHeaders: ['Host', 'registry.test:5000'] }), other);
    refusedWith(421, () => checkTunnelRequest(head(), other));
    const address: Target = { scheme: 'https', host: '::1', port: 443 };
    checkTunnelRequest(head({ rawHeaders: ['Host', '[::1]'] }), address);
  });

  for (const host of ['other.test', 'registry.test:444', 'registry.test:80', 'www.registry.test', '1.2.3.4']) {
    it(`A07: answers 421 to Host ${host}`, () => {
      refusedWith(421, () => checkTunnelRequest(head({ rawHeaders: ['Host', host] }), target));
    });
  }

  for (const host of [
    '',
    'registry test',
    'u@registry.test',
    'registry.test/x',
    'registry.test:',
    'http://registry.test',
    'a,b',
    '127.1',
  ]) {
    it(`D01: answers 400 to Host ${JSON.stringify(host)}`, () => {
      refusedWith(400, () => checkTunnelRequest(head({ rawHeaders: ['Host', host] }), target));
    });
  }

  it('D01, D02: answers 400 to two Hosts, even equal ones, and to two Authorizations', () => {
    refusedWith(400, () => checkTunnelRequest(head({}, 'host', 'registry.test'), target));
    refusedWith(400, () =>
      checkTunnelRequest(head({}, 'Authorization', 'Basic a', 'authorization', 'Basic b'), target),
    );
  });

  it('D03: answers 431 to more than 100 headers', () => {
    checkTunnelRequest(head({}, ...filler(99)), target);
    refusedWith(431, () => checkTunnelRequest(head({}, ...filler(100)), target));
  });

  it('reduces an absolute target that names the same server', () => {
    for (const url of ['https://registry.test/v2/?a', 'HTTPS://Registry.Test:443/v2/?a']) {
      assert.equal(checkTunnelRequest(head({ url }), target).path, '/v2/?a');
    }
    assert.equal(checkTunnelRequest(head({ url: 'https://registry.test?a' }), target).path, '/?a');
  });

  for (const url of [
    'http://registry.test/',
    'https://evil.test/',
    'https://registry.test:444/',
    'https://u@registry.test/',
    'https:///v2/',
    'ftp://registry.test/',
    'https://registry.test\\@evil.test/',
    '*',
    '',
    'v2/',
    'registry.test:443',
    '/v2/#x',
  ]) {
    it(`A08: answers 400 to the target ${JSON.stringify(url)}`, () => {
      refusedWith(400, () => checkTunnelRequest(head({ url }), target));
    });
  }

  for (const method of ['GET', 'HEAD']) {
    it(`D04: answers 400 to a ${method} with a body`, () => {
      refusedWith(400, () => checkTunnelRequest(head({ method }, 'Content-Length', '5'), target));
      refusedWith(400, () => checkTunnelRequest(head({ method }, 'Transfer-Encoding', 'chunked'), target));
      assert.equal(checkTunnelRequest(head({ method }, 'Content-Length', '0'), target).hasBody, false);
    });
  }

  it('tells whether a body follows', () => {
    assert.equal(post({}).hasBody, false);
    assert.equal(post({}, 'content-length', '0').hasBody, false);
    assert.equal(post({}, 'content-length', '1').hasBody, true);
    assert.equal(post({}, 'transfer-encoding', 'Chunked').hasBody, true);
  });

  it('D05: answers 400 to every Transfer-Encoding but a single chunked, and to any in HTTP/1.0', () => {
    for (const coding of ['identity', 'identity, chunked', 'gzip, chunked', 'chunked, chunked', 'xchunked', '']) {
      refusedWith(400, () => post({}, 'Transfer-Encoding', coding));
    }
    refusedWith(400, () => post({}, 'Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'));
    refusedWith(400, () => post({ httpVersion: '1.0' }, 'Transfer-Encoding', 'chunked'));
  });

  for (const method of ['TRACE', 'CONNECT']) {
    it(`A09: answers 405 to ${method}`, () => refusedWith(405, () => checkTunnelRequest(head({ method }), target)));
  }

  for (const named of ['authorization', 'Host', 'close, Content-Length', 'content-type', 'range']) {
    it(`D08: answers 400 to Connection: ${named}`, () => {
      refusedWith(400, () => checkTunnelRequest(head({}, 'Connection', named), target));
    });
  }

  it('allows Connection to name what is of no consequence', () => {
    checkTunnelRequest(head({}, 'Connection', 'keep-alive, X-Mine, TE'), target);
  });

  it('takes HTTP/1.0 without Host for the server of the CONNECT', () => {
    checkTunnelRequest(head({ httpVersion: '1.0', rawHeaders: [] }), target);
  });

  it('makes a plain request of an absolute target, and nothing of a path', () => {
    assert.deepEqual(checkPlainRequest(head({ url: 'http://Registry.Test/v2/' })), {
      target: { scheme: 'http', host: 'registry.test', port: 80 },
      path: '/v2/',
      hasBody: false,
    });
    const withPort = head({ url: 'http://registry.test:5000/', rawHeaders: ['Host', 'registry.test:5000'] });
    assert.equal(checkPlainRequest(withPort)?.target.port, 5000);
    assert.equal(checkPlainRequest(head({ url: '/ca.crt' })), undefined);
  });

  it('refuses a plain request whose Host is another, whose scheme is https, or whose server is none', () => {
    refusedWith(421, () => checkPlainRequest(head({ url: 'http://other.test/' })));
    refusedWith(400, () => checkPlainRequest(head({ url: 'https://registry.test/' })));
    refusedWith(400, () => checkPlainRequest(head({ url: 'http://127.1/' })));
    refusedWith(400, () => checkPlainRequest(head({ url: 'http:///x' })));
    refusedWith(405, () => checkPlainRequest(head({ url: '/ca.crt', method: 'TRACE' })));
  });
});
