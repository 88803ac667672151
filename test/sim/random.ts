/** Seeded randomness (mulberry32): a seed gives the same run every time. */

export interface SeededRandom {
  /** In [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
  chance(probability: number): boolean;
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    below: (bound) => Math.floor(next() * bound),
    chance: (probability) => next() < probability,
  };
}

/**
 * A stream of its own for each name, so that what one decision draws never shifts another's: the
 * shrinker can leave a fault out and the rest stays as it was.
 */
export function namedRandom(seed: number, name: string): SeededRandom {
  let hash = (seed ^ 0x811c9dc5) >>> 0;
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  return seededRandom(hash ^ (hash >>> 13));
}

/** One of a list that is not empty. */
export function pickOne<T>(random: SeededRandom, list: readonly T[]): T {
  const one = list[random.below(list.length)];
  if (one === undefined) throw new RangeError('nothing to pick from');
  return one;
}
