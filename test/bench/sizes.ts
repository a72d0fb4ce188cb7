const MIB = 1024 * 1024;

/** How much work the cases do. */
export interface Sizes {
  /** Times that every peer does a case, in turns. */
  readonly rounds: number;
  readonly layers: number;
  readonly layerBytes: number;
  readonly handshakes: number;
  readonly smallGets: number;
  readonly tagHeads: number;
  readonly crowd: number;
  readonly crowdBlobBytes: number;
  readonly sharedLayerBytes: number;
  readonly stalled: number;
  readonly hosts: number;
  readonly entries: readonly number[];
}

/** What the issue asks for. */
export const FULL: Sizes = {
  rounds: 5,
  layers: 10,
  layerBytes: 50 * MIB,
  handshakes: 400,
  smallGets: 5000,
  tagHeads: 500,
  crowd: 100,
  crowdBlobBytes: 1024 * MIB,
  sharedLayerBytes: 20 * MIB,
  stalled: 200,
  hosts: 10_000,
  entries: [10, 100_000, 1_000_000],
};

/** Enough to see whether it works and where it stands, not to publish. */
export const QUICK: Sizes = {
  rounds: 3,
  layers: 5,
  layerBytes: 50 * MIB,
  handshakes: 200,
  smallGets: 2000,
  tagHeads: 300,
  crowd: 30,
  crowdBlobBytes: 128 * MIB,
  sharedLayerBytes: 10 * MIB,
  stalled: 50,
  hosts: 1000,
  entries: [10, 10_000],
};
