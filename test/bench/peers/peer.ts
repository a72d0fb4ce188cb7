import type { Way } from '../client.js';

/** A server that does the same work as the others, running. */
export interface Peer {
  readonly name: PeerName;
  /** The processes whose trees' CPU time and memory count. */
  readonly pids: readonly number[];
  readonly way: Way;
  /** False where requests with Authorization could not be cached, so that it is left out. */
  readonly takesAuthorization: boolean;
  stop(): Promise<void>;
}

export type PeerName =
  | 'nginx'
  | 'nginx-cache'
  | 'nginx-mitm'
  | 'squid'
  | 'mirror'
  | 'tunnel'
  | 'direct'
  | 'entrepot'
  | 'entrepot-before'
  | 'entrepot-tunnel';

/** What every peer needs to know of the machine it runs on. */
export interface Site {
  /** For the peer's own files; removed with the whole bench. */
  readonly folder: string;
  /** Storage of the docker-registry behind all, which the plain nginx serves its files from. */
  readonly storage: string;
  readonly certificates: Certificates;
  readonly upstreamPort: number;
  /** Told of what has to be stopped, if nobody has by then, when the bench ends. */
  readonly onStarted: (stop: () => Promise<unknown>) => void;
}

/** Files: an authority, and a certificate of it for localhost. */
export interface Certificates {
  readonly authority: string;
  readonly authorityKey: string;
  readonly certificate: string;
  readonly key: string;
}

export interface PeerPlan {
  readonly name: PeerName;
  readonly title: string;
  /** Programs that must be installed, and the Debian package of each. */
  readonly needs: Readonly<Record<string, string>>;
  start(site: Site): Promise<Peer>;
}
