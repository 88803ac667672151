/** Bounds of escrows; unit and qualifier last. */
export const escrowBounds = {
  /** A secret in escrow: random, so that hashes of its shares give nothing away. */
  secretBytes: 32,
  /** A share: a byte for each of the secret, and its place. */
  shareBytes: 33,
  /** What a validator keeps beside its share, itself sealed under the secret. */
  payloadBytesMax: 64 * 1024,
} as const;
