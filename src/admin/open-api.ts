import type { AdminRoute, AnswerSpec, JsonSchema } from './route.js';
import { SHARED } from './schemas.js';

const JSON_TYPE = 'application/json';
const TOKEN_SCHEME = 'adminToken';

/** The OpenAPI 3.1 document of these routes. @see https://spec.openapis.org/oas/v3.1.0.html */
export function describeApi(routes: readonly AdminRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'entrepot admin API', version },
    paths,
    components: {
      schemas: withLocalRefs(SHARED),
      securitySchemes: { [TOKEN_SCHEME]: { type: 'http', scheme: 'bearer' } },
    },
  };
}

function operationOf(route: AdminRoute): object {
  const { params = {}, query = {}, requiredQuery = [], body, answers } = route;
  const parameters = [
    ...Object.entries(params).map(([name, schema]) => parameterOf(name, 'path', schema, true)),
    ...Object.entries(query).map(([name, schema]) => parameterOf(name, 'query', schema, requiredQuery.includes(name))),
  ];
  const statuses =
    route.open === true ? answers : { ...answers, 401: { description: 'the token is missing or wrong' } };
  return {
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { [JSON_TYPE]: { schema: withLocalRefs(body) } } } }),
    responses: Object.fromEntries(Object.entries(statuses).map(([status, spec]) => [status, responseOf(spec)])),
    security: route.open === true ? [] : [{ [TOKEN_SCHEME]: [] }],
  };
}

function parameterOf(name: string, where: 'path' | 'query', schema: JsonSchema, required: boolean): object {
  const { description, ...rest } = schema;
  return { name, in: where, required, description, schema: rest };
}

function responseOf({ description, schema, contentType = JSON_TYPE }: AnswerSpec): object {
  if (schema === undefined && contentType === JSON_TYPE) return { description };
  return { description, content: { [contentType]: schema === undefined ? {} : { schema: withLocalRefs(schema) } } };
}

/** The references as OpenAPI has them. */
function withLocalRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withLocalRefs);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) =>
      name === '$ref' && typeof inner === 'string'
        ? [name, `#/components/schemas/${inner.replace(/#$/, '')}`]
        : [name, withLocalRefs(inner)],
    ),
  );
}
