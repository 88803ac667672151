/** Names of items in the wrap store: everything that erasure must find, in one place. */

/** Partition and sort key of one item. */
export interface WrapKey {
  pk: string;
  sk: string;
}

export const wrapKeys = {
  /** State of an upload and, once stored, where the ciphertext is. */
  record: (recordId: string): WrapKey => ({ pk: `record#${recordId}`, sk: 'state' }),
  /** The file key, sealed to the category key. */
  wrap: (recordId: string): WrapKey => ({ pk: `record#${recordId}`, sk: 'wrap' }),
  metadata: (recordId: string): WrapKey => ({ pk: `record#${recordId}`, sk: 'metadata' }),
  /** What stays of an erasure: that there was one, so that nothing comes back. */
  erasedRecord: (recordId: string): WrapKey => ({ pk: `record#${recordId}`, sk: 'erased' }),
  erasedPatient: (pseudonym: string): WrapKey => ({ pk: `erased#${pseudonym}`, sk: 'patient' }),
  /** Lost bytes that a hospital gives back. */
  restore: (recordId: string): WrapKey => ({ pk: `record#${recordId}`, sk: 'restore' }),
  /** Uploads of a patient that are not complete. */
  opened: (pseudonym: string, recordId: string): WrapKey => ({
    pk: `opened#${pseudonym}`,
    sk: recordId,
  }),
  /** Stored records of a patient, by category; tags and ids hold no `#`. */
  listed: (pseudonym: string, tag: string, recordId: string): WrapKey => ({
    pk: `list#${pseudonym}`,
    sk: `${tag}#${recordId}`,
  }),
  /** What is sealed to one key, or to a care team; the sort key is the permission id. */
  share: (holder: string, permissionId: string): WrapKey => ({
    pk: `shares#${holder}`,
    sk: permissionId,
  }),
  /** Which version of a permission's share is kept, and for whom. */
  shareState: (permissionId: string): WrapKey => ({ pk: `share#${permissionId}`, sk: 'state' }),
  /** A letter under who may fetch it, whether it was taken back, and those about a patient. */
  letter: (to: string, letterId: string): WrapKey => ({ pk: `letters#${to}`, sk: letterId }),
  letterState: (letterId: string): WrapKey => ({ pk: `letter#${letterId}`, sk: 'state' }),
  lettersOf: (pseudonym: string, letterId: string): WrapKey => ({
    pk: `letters-of#${pseudonym}`,
    sk: letterId,
  }),
  /** Who is in a care team, and what members sealed to each other. */
  teamKeys: (teamId: string): WrapKey => ({ pk: `team#${teamId}`, sk: 'keys' }),
  /** Notes of a case by the key that they are sealed under, and that key as sealed to members. */
  caseNote: (caseId: string, generation: number, noteId: string): WrapKey => ({
    pk: `case#${caseId}`,
    sk: `note#${String(generation).padStart(4, '0')}#${noteId}`,
  }),
  caseSeal: (caseId: string, who: string, generation: number): WrapKey => ({
    pk: `case#${caseId}`,
    sk: `seal#${who}#${String(generation).padStart(4, '0')}`,
  }),
  /** Cases of a patient: an erasure finds them. */
  caseOf: (pseudonym: string, caseId: string): WrapKey => ({
    pk: `cases#${pseudonym}`,
    sk: caseId,
  }),
  /** Which publication of category keys is the newest. */
  currentKeys: (pseudonym: string): WrapKey => ({ pk: `keys#${pseudonym}`, sk: 'current' }),
  /** Entries of a publication: one item for all leaves, one for each public key. */
  keyLeaves: (pseudonym: string, root: string): WrapKey => ({
    pk: `keys#${pseudonym}#${root}`,
    sk: 'leaves',
  }),
  key: (pseudonym: string, root: string, index: number): WrapKey => ({
    pk: `keys#${pseudonym}#${root}`,
    sk: `key#${String(index).padStart(5, '0')}`,
  }),
  /** Which shares were handed over under a pseudonym: a rotation deletes them. */
  granted: (pseudonym: string, permissionId: string): WrapKey => ({
    pk: `granted#${pseudonym}`,
    sk: permissionId,
  }),
  /** Where a pseudonym went, and who it is that rotates to one. */
  rotated: (pseudonym: string): WrapKey => ({ pk: `rotated#${pseudonym}`, sk: 'to' }),
  rotation: (pseudonym: string): WrapKey => ({ pk: `rotation#${pseudonym}`, sk: 'state' }),
  /** Wraps of a record that the ledger does not name yet, by their digest. */
  nextWrap: (recordId: string, digest: string): WrapKey => ({
    pk: `next-wrap#${recordId}`,
    sk: digest,
  }),
  /** Private data of a patient. */
  privateData: (pseudonym: string, privateId: string): WrapKey => ({
    pk: `private#${pseudonym}`,
    sk: privateId,
  }),
  /** What went to a study of one participant, and what its coordinator counts. */
  release: (study: string, participant: string, sequence: number): WrapKey => ({
    pk: `releases#${study}#${participant}`,
    sk: String(sequence).padStart(6, '0'),
  }),
  releaseRow: (study: string, sequence: number): WrapKey => ({
    pk: `release-rows#${study}`,
    sk: String(sequence).padStart(6, '0'),
  }),
  /** What a coordinator sealed of a publication, for each participant; and who withdrew. */
  published: (study: string, batch: number, participant: string): WrapKey => ({
    pk: `published#${study}#${batch}`,
    sk: participant,
  }),
  withdrawn: (study: string, participant: string): WrapKey => ({
    pk: `withdrawn#${study}`,
    sk: participant,
  }),
  /** A used proof of possession. */
  proof: (kid: string, jti: string): WrapKey => ({ pk: `proof#${kid}`, sk: jti }),
} as const;
