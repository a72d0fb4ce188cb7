import assert from 'node:assert/strict';
import { type AdminStage, createAdminStage } from './admin-stage.js';

interface Operation {
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, object>>;
  readonly security: readonly object[];
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

describe('admin/open-api', () => {
  let stage: AdminStage;
  let document: Document;
  before(async () => {
    stage = await createAdminStage();
    document = (await stage.ask('GET', '/api/v1/openapi.json')).json as Document;
  });
  after(() => stage.close());

  it('describes every endpoint', () => {
    assert.equal(document.openapi, '3.1.0');
    const listed = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.deepEqual(listed, [
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
      'GET /api/v1/stats',
      'GET /ca.crt',
      'GET /ca.der',
      'GET /api/v1/blobs',
      'GET /api/v1/blobs/{digest}',
      'DELETE /api/v1/blobs/{digest}',
      'GET /api/v1/images',
      'GET /api/v1/image',
      'GET /api/v1/pins',
      'PUT /api/v1/pins',
      'DELETE /api/v1/pins',
      'PUT /api/v1/pins/{digest}',
      'DELETE /api/v1/pins/{digest}',
      'POST /api/v1/prune',
      'POST /api/v1/verify',
      'GET /api/v1/openapi.json',
    ]);
  });

  it('says which parameters there are, and which are needed', () => {
    const { parameters = [] } = document.paths['/api/v1/image']?.['get'] ?? {};
    assert.deepEqual(
      parameters.map(({ name, in: where, required }) => [name, where, required]),
      [['name', 'query', true]],
    );
    const blob = document.paths['/api/v1/blobs/{digest}']?.['get'];
    assert.deepEqual(
      blob?.parameters?.map(({ name, in: where }) => [name, where]),
      [['digest', 'path']],
    );
    assert.ok(document.paths['/api/v1/prune']?.['post']?.requestBody);
  });

  it('asks for the token where the server does, and only there', async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const [method, { security, responses }] of Object.entries(methods)) {
        const url = path.replace('{digest}', `sha256:${'0'.repeat(64)}`);
        const { status } = await stage.ask(method.toUpperCase(), url, undefined, { authorization: 'Bearer none' });
        const isClosed = status === 401 || status === 429;
        assert.equal(security.length > 0, isClosed, `${method} ${path}`);
        assert.equal('401' in responses, isClosed, `${method} ${path}`);
      }
    }
  });

  it('refers to nothing that it does not have', () => {
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, name]) => name ?? '');
    assert.ok(names.length > 10);
    for (const name of names) {
      assert.match(name, /^#\/components\/schemas\//);
      assert.ok(name.slice('#/components/schemas/'.length) in document.components.schemas, name);
    }
  });
});
