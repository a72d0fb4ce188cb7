import { createPrivateKey, createSign, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { Certificates } from './certificates.js';
import { account, otherAccount, topology } from './topology.js';
import type { SeenRequest } from './upstream-log.js';

const lifeSeconds = 300;

/**
 * Who asks: the account's name, '' for nobody. Undefined where the credentials are wrong. Clients name themselves by
 * Basic authentication, or in a form (OAuth2's password grant, as containerd does).
 */
function identify(authorization: string | undefined, form: URLSearchParams): string | undefined {
  const basic = /^Basic (?<pair>\S+)$/.exec(authorization ?? '')?.groups?.['pair'];
  const [username, password] =
    basic === undefined
      ? [form.get('username') ?? '', form.get('password') ?? '']
      : Buffer.from(basic, 'base64').toString().split(':');
  if (username === '') return '';
  const known = [account, otherAccount].find((one) => one.username === username);
  return known !== undefined && known.password === password ? known.username : undefined;
}

/** Anyone may pull outside `private/`, whoever has an account may push there too; `private/` is the first account's. */
function allowedActions(scope: string, user: string): { type: string; name: string; actions: string[] } {
  const [type = '', name = '', actions = ''] = scope.split(':');
  const allowed = actions.split(',').filter((action) => {
    if (name.startsWith('private/')) return user === account.username;
    return user !== '' || action === 'pull';
  });
  return { type, name, actions: allowed };
}

function signToken(certificates: Certificates, audience: string, user: string, scopes: readonly string[]): string {
  const chain = readFileSync(certificates.tokenCertificateFile, 'utf8').replaceAll(/-----[^-]+-----|\s/g, '');
  const issuedAt = Math.floor(Date.now() / 1000);
  const header = { typ: 'JWT', alg: 'RS256', x5c: [chain] };
  const claims = {
    iss: 'auth.docker.io',
    sub: user,
    aud: audience,
    iat: issuedAt,
    nbf: issuedAt - 10,
    exp: issuedAt + lifeSeconds,
    jti: randomUUID(),
    access: scopes.map((scope) => allowedActions(scope, user)),
  };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const key = createPrivateKey(readFileSync(certificates.tokenKeyFile));
  return `${signed}.${createSign('sha256').update(signed).sign(key, 'base64url')}`;
}

/** Docker Hub's token server: `GET` with a query, `POST` with a form; 401 on wrong credentials. */
export async function startTokenServer(certificates: Certificates, seen: SeenRequest[]): Promise<Server> {
  const tls = {
    key: readFileSync(certificates.serverKeyFile),
    cert: readFileSync(certificates.serverCertificateFile),
  };
  const server = createServer(tls, (request, response) => {
    const body: Buffer[] = [];
    request.on('data', (chunk: Buffer) => body.push(chunk));
    request.on('end', () => {
      const query = new URL(request.url ?? '/', 'https://auth.docker.io').searchParams;
      const form = new URLSearchParams(Buffer.concat(body).toString());
      const user = identify(request.headers.authorization, form);
      const scopes = [...query.getAll('scope'), ...form.getAll('scope')].flatMap((scope) => scope.split(' '));
      const service = query.get('service') ?? form.get('service') ?? '';
      const token = user === undefined ? undefined : signToken(certificates, service, user, scopes.filter(Boolean));
      const answer =
        token === undefined
          ? { details: 'incorrect username or password' }
          : { token, access_token: token, expires_in: lifeSeconds, issued_at: new Date().toISOString() };
      const text = JSON.stringify(answer);
      const status = token === undefined ? 401 : 200;
      seen.push({
        place: 'token',
        method: request.method ?? '',
        path: request.url ?? '',
        status,
        bytes: text.length,
        userAgent: request.headers['user-agent'] ?? '',
      });
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
    });
  });
  server.listen(443, topology.token.address);
  await once(server, 'listening');
  return server;
}
