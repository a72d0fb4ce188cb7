import { ProxyError } from '../errors.js';

/** Why an upstream would not go on with a body. */
export class ResumeFault extends ProxyError {
  /** True where the registry refused this client; another one that waits may still be let in. */
  readonly isRefusal: boolean;
  /** How long the upstream wants to be left alone, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(message: string, more: { readonly isRefusal?: boolean; readonly retryAfterMs?: number }) {
    super('upstream-truncated', message);
    this.isRefusal = more.isRefusal ?? false;
    this.retryAfterMs = more.retryAfterMs ?? 0;
  }
}
