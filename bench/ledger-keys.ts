/** Keys, values and numbers of the ledger's benchmark: the same on every run. */

const VALUE_BYTES = 120;

export function randomKey(n: number): string {
  return `record/${n}`;
}

export function valueOf(n: number, height: number): Uint8Array {
  const value = new Uint8Array(VALUE_BYTES);
  const view = new DataView(value.buffer);
  view.setUint32(0, n);
  view.setUint32(4, height);
  return value;
}

/** Marsaglia's xorshift32. */
export function xorshift(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}
