/** Bounds of what the custodian takes; unit and qualifier last. */
export const recordsBounds = {
  /** A record's ciphertext, bytes; S3 takes 10,000 parts, which is above it. */
  objectBytesMax: 4 * 1024 ** 3,
  /** `ciphertext` of a wrapped file key, bytes. */
  wrapBytesMax: 1_024,
  /** `ciphertext` of sealed metadata, bytes. */
  metadataBytesMax: 64 * 1024,
  /** `ciphertext` of a sealed share: lookup key, tags and seeds of its months, bytes. */
  shareBytesMax: 128 * 1024,
  /** `ciphertext` of what a member of a care team gets: the seeds of its newest keys, bytes. */
  teamSealBytesMax: 4 * 1024,
  teamMembersMax: 32,
  /** `ciphertext` of a note of a case, bytes. */
  caseNoteBytesMax: 64 * 1024,
  /** `ciphertext` of what a member of a case gets: seeds of its keys, bytes. */
  caseSealBytesMax: 48 * 1024,
  caseMembersMax: 33,
  /** `ciphertext` of a patient's sealed private data, bytes. */
  privateBytesMax: 96 * 1024,
  /** `ciphertext` of a release to a study, compressed; of what its coordinator counts; bytes. */
  releaseBytesMax: 192 * 1024,
  releaseRowBytesMax: 4 * 1024,
  /** Patients of one publication, and releases of each. */
  publishedMembersMax: 256,
  publishedReleasesMax: 16,
  /** `ciphertext` of a letter: a prescription to a pharmacy, codes to an insurer, bytes. */
  letterBytesMax: 32 * 1024,
  /** Public keys of one publication; 1,216 bytes each, in one request of 6 MB. */
  categoryKeysMax: 1_000,
  /** A receipt, bytes. */
  receiptBytesMax: 512 * 1024,
  /** Age of a proof of possession, and how far it may lie in the future, milliseconds. */
  proofAgeMsMax: 60_000,
  proofSkewMsMax: 10_000,
  /** Characters of a proof's compact form. */
  proofCharsMax: 2_048,
} as const;
