/** A JSON schema; `{ $ref: 'Name#' }` names one of the shared ones. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export type AdminMethod = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** A request whose parameters and body the route's schemas allow. */
export interface AdminRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
  /** Whether the client asks for lines of JSON (`Accept: application/x-ndjson`). */
  readonly wantsLines: boolean;
  /** Aborted when the client goes away before it has its answer. */
  readonly signal: AbortSignal;
}

export interface AdminAnswer {
  /** 200 by default. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON, the rest as it is. */
  readonly body?: object | string | Uint8Array;
  /** In place of a body: values that are sent as a line of JSON each. */
  readonly lines?: AsyncIterable<object>;
}

/** What may come back with one status. */
export interface AnswerSpec {
  readonly description: string;
  /** Of a JSON body. */
  readonly schema?: JsonSchema;
  /** Of any other body. */
  readonly contentType?: string;
}

/** One endpoint of the admin port: what it takes and gives, for the server and for the OpenAPI document. */
export interface AdminRoute {
  readonly method: AdminMethod;
  /** With `:name` for parameters. */
  readonly path: string;
  readonly summary: string;
  /** For everybody, under any Host; every other route asks for the token. */
  readonly open?: boolean;
  readonly params?: Readonly<Record<string, JsonSchema>>;
  readonly query?: Readonly<Record<string, JsonSchema>>;
  readonly requiredQuery?: readonly string[];
  readonly body?: JsonSchema;
  readonly answers: Readonly<Record<number, AnswerSpec>>;
  /** May throw ConfigError for what the schemas cannot tell; that is answered with 400. */
  run(request: AdminRequest): Promise<AdminAnswer>;
}

/** An answer in the form of all errors of this API. */
export function refusal(status: number, error: string, headers: Readonly<Record<string, string>> = {}): AdminAnswer {
  return { status, headers, body: { error } };
}
