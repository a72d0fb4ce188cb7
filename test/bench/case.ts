import type { Bench } from './bench.js';
import type { PeerName } from './peers/peer.js';

/** What one run of a case cost a peer. */
export interface Sample {
  readonly wallMs: number;
  /** Of the server's whole process tree; undefined where there is no server of our own. */
  readonly cpuSeconds: number | undefined;
  readonly firstByteMs: number | undefined;
  readonly peakBytes: number | undefined;
  readonly upstreamRequests: number;
  readonly upstreamBytes: number;
}

export interface Row {
  readonly peer: PeerName;
  readonly title: string;
  readonly samples: readonly Sample[];
  /** Why there are no samples. */
  readonly missing?: string;
}

/** A figure that is no comparison of peers. */
export interface Fact {
  readonly what: string;
  readonly value: string;
  /** What it is to be, in words. */
  readonly reach?: string;
  /** Whether it is; undefined where nothing was asked for. */
  readonly reached?: boolean;
}

export interface CaseResult {
  readonly name: string;
  readonly title: string;
  /** The peer whose CPU and wall time are 1.00. */
  readonly reference?: PeerName;
  /** What the CPU time is divided by. */
  readonly per?: { readonly unit: 'GiB' | 'request'; readonly amount: number };
  readonly rows: readonly Row[];
  readonly facts: readonly Fact[];
}

export interface BenchCase {
  readonly name: string;
  run(bench: Bench): Promise<CaseResult[]>;
}
