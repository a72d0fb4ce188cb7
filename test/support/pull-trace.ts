const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Pulls as they come to a cache, each the contents that it reads. */
export interface PullTrace {
  readonly pulls: readonly (readonly number[])[];
  /** Bytes of each content. */
  readonly sizes: readonly number[];
}

export interface TraceOptions {
  readonly seed: number;
  /** Images that are asked for again and again, as the exponent of Zipf's law says. */
  readonly images: number;
  readonly pulls: number;
  readonly exponent: number;
  /** Share of pulls of images that nobody asks for again, as those of builds. */
  readonly oneOff: number;
  /** One image in so many has a layer of 4 to 20 GiB. */
  readonly giantEvery: number;
}

export const USUAL_TRACE: TraceOptions = {
  seed: 1,
  images: 2000,
  pulls: 8000,
  exponent: 0.9,
  oneOff: 0.3,
  giantEvery: 300,
};

/**
 * Makes a trace, the same for the same seed. Sizes follow what studies of Docker Hub found: manifests of 1 to 2 KB,
 * configurations of some KB, layers whose logarithm is normal with a median of a few MB and a tenth above 60 MB; bases
 * are shared, some of them by very many.
 */
export function makePullTrace({ seed, images, pulls, exponent, oneOff, giantEvery }: TraceOptions): PullTrace {
  const random = seeded(seed);
  const sizes: number[] = [];
  const content = (bytes: number): number => sizes.push(Math.min(20 * GIB, Math.max(32, Math.round(bytes)))) - 1;
  const logNormal = (median: number, sigma: number): number => median * Math.exp(sigma * normal(random));
  const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  const bases = times(100, () => times(1 + Math.floor(random() * 4), () => content(logNormal(12 * MIB, 1.3))));
  const pickBase = zipf(100, 1, random);

  function image(isGiant: boolean): number[] {
    const own = times(Math.min(30, 1 + Math.floor(logNormal(5, 0.7))), () => content(logNormal(1.5 * MIB, 2.3)));
    const giant = isGiant ? [content((4 + 16 * random()) * GIB)] : [];
    return [
      content(logNormal(1500, 0.4)),
      content(logNormal(6000, 0.5)),
      ...(bases[pickBase()] ?? []),
      ...own,
      ...giant,
    ];
  }

  const popular = Array.from({ length: images }, (_, n) => image(n % giantEvery === giantEvery - 1));
  const pickImage = zipf(images, exponent, random);
  let oneOffs = 0;
  const all = times(pulls, () => {
    if (random() >= oneOff) return popular[pickImage()] ?? [];
    oneOffs += 1;
    return image(oneOffs % giantEvery === 0);
  });
  return { pulls: all, sizes };
}

/** A small generator of numbers from 0 to 1 (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Picks from `count` by Zipf's law. */
function zipf(count: number, exponent: number, random: () => number): () => number {
  let sum = 0;
  const sums = Array.from({ length: count }, (_, n) => (sum += 1 / (n + 1) ** exponent));
  return () => {
    const at = random() * sum;
    const found = sums.findIndex((upTo) => upTo > at);
    return found < 0 ? count - 1 : found;
  };
}
