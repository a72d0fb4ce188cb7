import type { AdminRoute, JsonSchema } from './route.js';

/** What a validator says of one value. */
export interface SchemaComplaint {
  readonly keyword: string;
  /** `/limit`; empty for the whole. */
  readonly instancePath: string;
  readonly message?: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
}

/** Where the value stood. */
export type RequestPart = 'params' | 'querystring' | 'body' | 'headers';

/** Says what is wrong with a request and what was expected, in one sentence. */
export function describeBadRequest(route: AdminRoute, part: RequestPart, complaint: SchemaComplaint): string {
  const { keyword, instancePath, message = 'is wrong', params } = complaint;
  const known = propertiesOf(route, part);
  const names = Object.keys(known).join(', ');
  if (keyword === 'additionalProperties') {
    const takes = names === '' ? 'nothing' : names;
    return `${JSON.stringify(cut(String(params['additionalProperty'])))} is unknown here; this takes ${takes}.`;
  }
  if (keyword === 'required') return `${String(params['missingProperty'])} is missing.`;
  const name = instancePath.split('/')[1] ?? '';
  if (name === '') return `The ${part === 'querystring' ? 'query' : part} ${message}; this takes ${names}.`;
  const description = known[name]?.['description'];
  return typeof description === 'string' ? `${name} must be ${description}.` : `${name} ${message}.`;
}

function propertiesOf(route: AdminRoute, part: RequestPart): Readonly<Record<string, JsonSchema>> {
  if (part === 'params') return route.params ?? {};
  if (part === 'querystring') return route.query ?? {};
  return (route.body?.['properties'] as Readonly<Record<string, JsonSchema>> | undefined) ?? {};
}

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
