/** One request as an upstream of the lab saw it. */
export interface SeenRequest {
  readonly place: 'hub' | 'token' | 'cdn' | 'open' | 'htpasswd';
  readonly method: string;
  /** Path and query as sent. */
  readonly path: string;
  readonly status: number;
  /** Body bytes of the answer. */
  readonly bytes: number;
  readonly userAgent: string;
  /** The bytes that were asked for, as far as the place tells. */
  readonly range?: string | undefined;
}

const accessLine =
  /^\S+ \S+ \S+ \[[^\]]+\] "(?<method>[A-Z]+) (?<path>\S+) [^"]*" (?<status>\d+) (?<bytes>\d+) "[^"]*" "(?<agent>[^"]*)"$/;

/** Reads the access log lines (Apache's combined form) out of what a docker-registry printed. */
export function parseAccessLog(place: SeenRequest['place'], output: string): SeenRequest[] {
  return output.split('\n').flatMap((line) => {
    const { method, path, status, bytes, agent } = accessLine.exec(line)?.groups ?? {};
    if (method === undefined || path === undefined) return [];
    return [{ place, method, path, status: Number(status), bytes: Number(bytes), userAgent: agent ?? '' }];
  });
}
