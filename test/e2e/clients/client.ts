import type { PlatformImage } from '../../lab/images.js';

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** A container client of the machine, with a storage of its own, that reaches registries through a proxy. */
export interface Client {
  readonly name: string;
  /** Pulls an image as its user types it, for linux/amd64. Throws with the client's own words where it fails. */
  pull(reference: string, account?: Account): Promise<void>;
  /** Removes the image and everything that only it needs. */
  forget(reference: string): Promise<void>;
  /** Compares what was pulled, by digest, with what its publisher pushed. Throws AssertionError on any difference. */
  check(reference: string, image: PlatformImage): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a client whose storage is an empty folder. */
export type StartClient = (folder: string, proxyUrl: string) => Promise<Client>;
