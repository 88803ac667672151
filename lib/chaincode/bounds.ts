/** Bounds of the chaincode's own lists and values; what all parts share is in `lib/limits.ts`. */
import { oneTimeAheadMsMax } from '../membership/one-time.ts';

export const chaincodeBounds = {
  /** Categories that one permission or one query names. */
  categoriesMax: 32,
  /** Permissions of one patient that are kept at hand for one grantee. */
  holdingsMax: 16,
  /** Members of a care team, teams that one person is in, and keys that a team may have had. */
  teamMembersMax: 32,
  teamsOfSubjectMax: 8,
  teamEpochMax: 65_535,
  /** Renewals of a member's key after which an old seal of a team counts no more. */
  sealRenewalsMax: 8,
  /** Units of one fill, fills of one prescription, how far apart, how long it may hold. */
  fillUnitsMax: 100_000,
  fillsMax: 24,
  fillIntervalMsMax: 366 * 86_400_000,
  prescriptionMs: 731 * 86_400_000,
  /** Pharmacists that one prescription is ever given to. */
  pharmacistsMax: 8,
  /** How long an insurer may take to answer, how long an estimate holds, an answer is kept. */
  claimMs: 183 * 86_400_000,
  /** Readers of one record who are told by name when it turns out to be wrong. */
  readersMax: 64,
  /** How long before the report of a lost device its finder may have used it, milliseconds. */
  lostDeviceMs: 7 * 86_400_000,
  /** Members of a case with the patient, and clinicians who were told of it on the main ledger. */
  caseMembersMax: 33,
  caseToldMax: 64,
  /** Keys that a case may have had. */
  caseKeysMax: 1_024,
  /** What one note is as it is sealed, bytes; what the custodian takes of one. */
  caseNoteBytesMax: 64 * 1024,
  /** Questions of a case that are open at once, and answers that one offers. */
  caseQuestionsMax: 64,
  caseOptionsMax: 8,
  /** How long votes are taken, milliseconds. */
  caseVotingMsMin: 1_000,
  caseVotingMsMax: 30 * 86_400_000,
  /** Results of the block that closes a case. */
  anchorResultsMax: 4_096,
  /** Months whose key revision is not 0, for each category. */
  revisedMonthsMax: 600,
  /** Ranges of months in one publication of revisions. */
  revisionRangesMax: 64,
  /** Months of one such range, or of one query over months. */
  monthsMax: 240,
  queryMonthsMax: 36,
  revisionMax: 65_535,
  /** Entries of one page of a list. */
  pageMax: 200,
  pageDefault: 50,
  /** A record's ciphertext, bytes: 2 GB and its padding. */
  ciphertextBytesMax: 4 * 1024 ** 3,
  /** Permissions that one request for copies relies on. */
  copyPermissionsMax: 32,
  /** Records of one statement about copies, or of one erasure. */
  copyRecordsMax: 32,
  /** Hospitals, present and former, that may hold something of one patient. */
  copiersMax: 64,
  /** Who has to acknowledge one erasure, at most; each word takes 220 bytes of one value. */
  holdersMax: 200,
  /** Hospitals that a patient chooses, at least, for copies of everything. */
  chosenHospitalsMin: 2,
  listMax: 2 ** 40,
  /** Rotations of one patient, and so layers on one record: their keys fit one wrap. */
  rotationsMax: 24,
  /** Guardians of one patient, and how many of them have to sign at least. */
  guardiansMax: 9,
  guardiansMin: 2,
  /** How long a recovery may be finished after its delay, milliseconds. */
  recoveryMs: 30 * 86_400_000,
  /** Pieces of private data of one patient, and how often one may change. */
  privateMax: 256,
  privateVersionMax: 1_000_000,
  /** What a study may ask for: patients and values that nothing published may tell apart. */
  studyPatientsMin: 2,
  studyPatientsMax: 200,
  studyValuesMax: 32,
  studyCategoriesMax: 16,
  studyCodesMax: 32,
  /** Releases of one study: a bit for each fits a value of state. */
  releasesOfStudyMax: 65_536,
  /** Patients of one publication, and releases of one patient in it. */
  publishedMembersMax: 256,
  publishedReleasesMax: 16,
  certificateBytesMax: 4_096,
  /** Retired keys of the authority that are remembered, and how long their certificates count. */
  formerAuthoritiesMax: 16,
  authorityOverlapMs: oneTimeAheadMsMax,
  /** An X-Wing public key. */
  shareKeyBytes: 1_216,
  /** How often a validator may bring new keys by itself in a span of time, milliseconds. */
  rejoinsMax: 16,
  rejoinsMs: 30 * 24 * 3_600_000,
  /** Proposals that are open at once: of one hospital, and in all. */
  proposalsOfHospitalMax: 4,
  proposalsMax: 192,
  /** Decided changes that wait for their height. */
  scheduledMax: 32,
  /** How long a proposal may wait for approvals, milliseconds. */
  proposalMs: 14 * 86_400_000,
  /** How far ahead a change may be set, heights. */
  activationAheadMax: 1_000_000,
  /** Present and former hospitals that may have approved one proposal. */
  approvalsMax: 64,
  /** Scheduled changes that one block makes, and proposals that it lets expire. */
  foldedMax: 8,
  /** How long a renewed key still counts: the longest validity of a transaction, milliseconds. */
  renewalOverlapMs: 15 * 60_000,
  /** How long a re-enrolment may wait beyond its delay, milliseconds. */
  reenrolmentMs: 30 * 86_400_000,
  /** Grants that one transaction looks at when a clinician's identity ends. */
  lapsedGrantsMax: 32,
  /** How long a request to unmask waits for its second person, and how long it is usable then. */
  unmaskMs: 7 * 86_400_000,
  unmaskUsableMs: 86_400_000,
  /** A session certificate in base64url. */
  sessionCharsMax: 1_024,
  /** Shards of replay protection that one block prunes beyond those that it fills. */
  seenPrunedMax: 256,
  /** Entries of one shard: 16 bytes each, and a CBOR head, fit a value of state. */
  seenShardMax: 4_000,
  seenWindowsMax: 4_096,
} as const;
