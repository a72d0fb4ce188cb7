import { type RegistrySettings, settingsFinder } from './settings.js';

interface Place {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
}

/** Registries that speak no TLS, though their clients do to this proxy. */
export interface PlainRegistries {
  /** Their host patterns; such hosts have to be opened. */
  readonly patterns: readonly string[];
  /** What is really spoken to: the same place without TLS, or the very same target. */
  behind<Target extends Place>(target: Target): Target;
}

export function plainRegistries(registries: readonly RegistrySettings[]): PlainRegistries {
  // An entry for one host hides a wildcard's, whatever it says of this.
  const find = settingsFinder(registries);
  return {
    patterns: registries.filter((one) => one.plainHttp).map((one) => one.pattern),
    behind: (target) => {
      const isPlain = target.scheme === 'https' && find(target.host, target.port)?.plainHttp === true;
      return isPlain ? { ...target, scheme: 'http' } : target;
    },
  };
}
