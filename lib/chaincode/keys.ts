/** Names of state keys in one place; docs/chaincode.md lists them. Parts hold no slash. */

/** A list that is complete by construction: `count`, and one key for each entry from 0. */
export interface ListKeys {
  count: string;
  entry(sequence: number): string;
}

export const keys = {
  /** The authority that certifies patients and clinicians. */
  authority: 'ca/current',
  /** Keys that the authority had before. */
  formerAuthorities: 'ca/former',
  parameters: 'parameters/current',
  validators: 'validators/current',
  /** Certified vote and read keys of the present seats. */
  sessions: 'sessions/current',
  /** What others need of a validator, a former one too. */
  directory: (validator: string): string => `directory/${validator}`,
  /** Proposals that are not over, and what changed last. */
  governance: 'governance/current',
  proposal: (id: string): string => `proposal/${id}`,
  /** Proven equivocation of one incarnation. */
  blame: (validator: string, incarnation: number): string => `blame/${validator}/${incarnation}`,
  identity: (kid: string): string => `identity/${kid}`,
  subject: (subject: string): string => `subject/${subject}`,
  /** A new key that waits to take over a subject, or the last that did. */
  reenrolment: (subject: string): string => `reenrolment/${subject}`,
  /** How far the grants of an ended subject are taken back. */
  lapse: (subject: string): string => `lapse/${subject}`,
  unmask: (id: string): string => `unmask/${id}`,
  hospital: (validator: string): string => `hospital/${validator}`,
  owner: (kid: string): string => `owner/${kid}`,
  patient: (pseudonym: string): string => `patient/${pseudonym}`,
  /** That an old pseudonym is over, where it went, and where a new one came from. */
  rotated: (pseudonym: string): string => `rotated/${pseudonym}`,
  rotatedTo: (pseudonym: string): string => `rotated-to/${pseudonym}`,
  rotation: (pseudonym: string): string => `rotation/${pseudonym}`,
  /** A key kept apart that must agree to a rotation. */
  rotationGuard: (pseudonym: string): string => `rotation-guard/${pseudonym}`,
  /** A commitment to private data. */
  privateData: (pseudonym: string, id: string): string => `private/${pseudonym}/${id}`,
  /** Key revisions of a category. */
  epoch: (pseudonym: string, tag: string): string => `epoch/${pseudonym}/${tag}`,
  permission: (id: string): string => `permission/${id}`,
  /** Permission ids that a grantee holds of a patient: what an access decision reads. */
  holdings: (pseudonym: string, subject: string): string => `holds/${pseudonym}/${subject}`,
  /** As `holdings`, for the members of a care team. */
  teamHoldings: (pseudonym: string, team: string): string => `team-holds/${pseudonym}/${team}`,
  team: (id: string): string => `team/${id}`,
  /** Teams that a person is in. */
  teamsOf: (subject: string): string => `teams-of/${subject}`,
  /** What a key may do for a patient, by permission; and the newest such permission of a key. */
  appointment: (permissionId: string): string => `appointment/${permissionId}`,
  representative: (kid: string): string => `representative/${kid}`,
  record: (id: string): string => `record/${id}`,
  /** Who read a record. */
  readers: (recordId: string): string => `readers/${recordId}`,
  prescription: (id: string): string => `prescription/${id}`,
  /** Whose a prescription is: apart, as pharmacies see the other. */
  prescriptionOf: (id: string): string => `prescription-of/${id}`,
  /** That a pharmacist was given a prescription. */
  dispensing: (id: string, subject: string): string => `dispensing/${id}/${subject}`,
  fill: (id: string): string => `fill/${id}`,
  /** An estimate or a claim; whose it is, apart, as insurers see the other. */
  claim: (id: string): string => `claim/${id}`,
  claimOf: (id: string): string => `claim-of/${id}`,
  /** The last claim of a service: `f` and `r` keep fills and records apart. */
  claimed: (service: string): string => `claimed/${service}`,
  /** That the id of a letter is used. */
  letter: (id: string): string => `letter/${id}`,
  /** Hospitals that a patient chose to hold copies. */
  chosen: (pseudonym: string): string => `chosen/${pseudonym}`,
  /** Hospitals that may hold something of a patient. */
  copiers: (pseudonym: string): string => `copiers/${pseudonym}`,
  /** Hospitals that hold a copy of a record. */
  copies: (recordId: string): string => `copies/${recordId}`,
  /** Who destroyed a record, or all of a patient's: `r` and `p` keep them apart. */
  recordErasure: (recordId: string): string => `erasure/r/${recordId}`,
  patientErasure: (pseudonym: string): string => `erasure/p/${pseudonym}`,
  escrow: (id: string): string => `escrow/${id}`,
  /** The one escrow of a kind that a patient has. */
  escrowPointer: (pseudonym: string, kind: string): string => `escrows/${pseudonym}/${kind}`,
  emergencyHandle: (digest: string): string => `emergency/handle/${digest}`,
  emergencyCard: (pseudonym: string): string => `emergency/card/${pseudonym}`,
  declaration: (id: string): string => `declaration/${id}`,
  /** Who gives a patient's keys back; one recovery; whose setup an id is of. */
  recoverySetup: (pseudonym: string): string => `recovery/p/${pseudonym}`,
  recovery: (id: string): string => `recovery/r/${id}`,
  recoverySetupId: (id: string): string => `recovery/s/${id}`,
  /** A case ledger, by the transaction that opened it. */
  caseLedger: (ledger: string): string => `case-ledger/${ledger}`,
  /** A case, by the name of its ledger; what lets a doctor open one. */
  case: (id: string): string => `case/${id}`,
  caseConsent: (id: string): string => `case-consent/${id}`,
  /** On a case ledger: who is in it; ids of notes and questions. */
  caseState: 'stay/current',
  caseNoted: (id: string): string => `stay/note/${id}`,
  caseQuestion: (id: string): string => `stay/question/${id}`,
  study: (id: string): string => `study/${id}`,
  /** The handle by which a patient takes part in a study, and what is known of it. */
  participation: (study: string, pseudonym: string): string =>
    `participation/${study}/${pseudonym}`,
  participant: (study: string, participant: string): string =>
    `participant/${study}/${participant}`,
  release: (id: string): string => `release/${id}`,
  /** That a record went to a study. */
  releasedRecord: (study: string, recordId: string): string => `released/${study}/${recordId}`,
  batch: (study: string, batch: number): string => `batch/${study}/${batch}`,
  studyClass: (study: string, classId: number): string => `class/${study}/${classId}`,
  /** Which releases of a study were published. */
  published: (study: string): string => `published/${study}`,
  probe: (validator: string): string => `probe/${validator}`,
  /** Digests of used (key, nonce) pairs; see `seen.ts`. */
  seen: (window: number, shard: number): string => `seen/${window}/${shard}`,
  seenShards: (window: number): string => `seen/${window}/shards`,
  seenCursor: 'seen/cursor',
} as const;

export const lists = {
  /** Every permission that a patient gave. */
  permissions: (pseudonym: string): ListKeys => list(`permissions/${pseudonym}`),
  /** Every permission of a patient that appoints a representative. */
  appointments: (pseudonym: string): ListKeys => list(`appointments/${pseudonym}`),
  /** Every permission that stands on an appointment. */
  given: (permissionId: string): ListKeys => list(`given/${permissionId}`),
  /** Every permission that a clinician was given. */
  grants: (subject: string): ListKeys => list(`grants/${subject}`),
  /** Every permission that a team was given. */
  teamGrants: (team: string): ListKeys => list(`team-grants/${team}`),
  /** Terms that a permission had before. */
  earlierTerms: (permission: string): ListKeys => list(`earlier-terms/${permission}`),
  /** Every team of a hospital, and what became of each. */
  teams: (hospital: string): ListKeys => list(`teams/${hospital}`),
  teamLog: (team: string): ListKeys => list(`team-log/${team}`),
  /** All private data of a patient. */
  privateData: (pseudonym: string): ListKeys => list(`privates/${pseudonym}`),
  /** Every record of a patient. */
  records: (pseudonym: string): ListKeys => list(`records/${pseudonym}`),
  /** Every record of a category. */
  tagRecords: (pseudonym: string, tag: string): ListKeys => list(`records/${pseudonym}/tag/${tag}`),
  /** Every record of a category with data of one month. */
  monthRecords: (pseudonym: string, tag: string, month: string): ListKeys =>
    list(`records/${pseudonym}/tag/${tag}/month/${month}`),
  /** Every prescription of a patient; what a pharmacist was given; what was handed out on one. */
  prescriptions: (pseudonym: string): ListKeys => list(`prescriptions/${pseudonym}`),
  dispensings: (subject: string): ListKeys => list(`dispensings/${subject}`),
  fills: (prescription: string): ListKeys => list(`fills/${prescription}`),
  /** Estimates and claims: about a patient, by a clinician, to an insurer. */
  patientClaims: (pseudonym: string): ListKeys => list(`claims/p/${pseudonym}`),
  subjectClaims: (subject: string): ListKeys => list(`claims/s/${subject}`),
  insurerClaims: (subject: string): ListKeys => list(`claims/i/${subject}`),
  /** Everything that was done or tried with a patient's data. */
  history: (pseudonym: string): ListKeys => list(`history/${pseudonym}`),
  /** Every request to name the person behind a one-time certificate. */
  unmaskings: (): ListKeys => list('unmaskings'),
  /** Every declaration of an emergency; of a patient; by a clinician. */
  declarations: (): ListKeys => list('declarations'),
  patientDeclarations: (pseudonym: string): ListKeys => list(`declarations/p/${pseudonym}`),
  subjectDeclarations: (subject: string): ListKeys => list(`declarations/s/${subject}`),
  /** Every case of a patient, and of which a clinician was told; consents to open one. */
  patientCases: (pseudonym: string): ListKeys => list(`cases/p/${pseudonym}`),
  subjectCases: (subject: string): ListKeys => list(`cases/s/${subject}`),
  patientCaseConsents: (pseudonym: string): ListKeys => list(`case-consents/p/${pseudonym}`),
  subjectCaseConsents: (subject: string): ListKeys => list(`case-consents/s/${subject}`),
  /** On a case ledger: its keys, its notes and opinions, its questions, and all else. */
  caseKeys: (): ListKeys => list('stay/keys'),
  caseNotes: (): ListKeys => list('stay/notes'),
  caseQuestions: (): ListKeys => list('stay/questions'),
  caseLog: (): ListKeys => list('stay/log'),
  /** Every study; every release to one, in the order of its sequence; and those of a patient. */
  studies: (): ListKeys => list('studies'),
  releases: (study: string): ListKeys => list(`releases/${study}`),
  /** Everybody who left a study. */
  studyLog: (study: string): ListKeys => list(`study-log/${study}`),
  patientReleases: (pseudonym: string): ListKeys => list(`patient-releases/${pseudonym}`),
  /** Every proposal that was ever made. */
  proposals: (): ListKeys => list('proposals'),
  /** Notices: `p` and `s` keep a patient's apart from a subject of the same text. */
  patientInbox: (pseudonym: string): ListKeys => list(`inbox/p/${pseudonym}`),
  subjectInbox: (subject: string): ListKeys => list(`inbox/s/${subject}`),
} as const;

function list(prefix: string): ListKeys {
  return { count: `${prefix}/count`, entry: (sequence) => `${prefix}/${sequence}` };
}
