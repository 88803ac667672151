/** State keys with the schemas of their values: what functions read and write. */
import type { z } from 'zod';
import { seatSessionsSchema } from '../wire/governed.ts';
import { parametersSchema } from '../wire/parameters.ts';
import { validatorSetSchema } from '../wire/validators.ts';
import {
  lapseSchema,
  reenrolmentSchema,
  unmaskEntrySchema,
  unmaskSchema,
} from './identity-values.ts';
import { claimEntrySchema, claimOfSchema, claimSchema } from './claim-values.ts';
import {
  caseConsentEntrySchema,
  caseConsentSchema,
  caseEntrySchema,
  caseKeySchema,
  caseLogSchema,
  caseNotedSchema,
  caseNoteSchema,
  caseQuestionEntrySchema,
  caseQuestionSchema,
  caseSchema,
  caseStateSchema,
} from './case-values.ts';
import { authoritySchema, formerAuthoritiesSchema } from './authority-values.ts';
import { chosenSchema, copiersSchema, copiesSchema, erasureSchema } from './copy-values.ts';
import {
  declarationEntrySchema,
  declarationSchema,
  emergencyCardSchema,
  emergencyHandleSchema,
} from './emergency-values.ts';
import { type EscrowKind, escrowPointerSchema, escrowSchema } from './escrow-values.ts';
import { keys, type ListKeys, lists } from './keys.ts';
import {
  dispensingSchema,
  fillEntrySchema,
  fillSchema,
  letterSchema,
  prescriptionEntrySchema,
  prescriptionOfSchema,
  prescriptionSchema,
} from './prescription-values.ts';
import { recoverySchema, recoverySetupIdSchema, recoverySetupSchema } from './recovery-values.ts';
import {
  appointmentEntrySchema,
  appointmentSchema,
  representativeSchema,
} from './representative-values.ts';
import { privateEntrySchema, privateSchema } from './private-values.ts';
import {
  rotatedSchema,
  rotatedToSchema,
  rotationGuardSchema,
  rotationSchema,
} from './rotation-values.ts';
import {
  batchSchema,
  classSchema,
  participantSchema,
  participationSchema,
  publishedSchema,
  releaseEntrySchema,
  releaseIdSchema,
  releaseSchema,
  studyEntrySchema,
  studyLogSchema,
  studySchema,
} from './study-values.ts';
import { teamEntrySchema, teamLogSchema, teamSchema, teamsOfSchema } from './team-values.ts';
import { earlierTermsSchema } from './terms.ts';
import {
  blameSchema,
  directorySchema,
  epochsSchema,
  governanceSchema,
  historySchema,
  holdingsSchema,
  hospitalSchema,
  identitySchema,
  inboxSchema,
  ownerSchema,
  patientSchema,
  permissionEntrySchema,
  permissionSchema,
  probeSchema,
  proposalEntrySchema,
  proposalSchema,
  readersSchema,
  recordEntrySchema,
  recordSchema,
  subjectSchema,
} from './values.ts';

/** One key of state and what it holds. */
export interface Cell<T> {
  key: string;
  schema: z.ZodType<T>;
}

/** A list of state and what its entries hold. */
export interface ListCell<T> {
  keys: ListKeys;
  schema: z.ZodType<T>;
}

export const cells = {
  authority: cell(keys.authority, authoritySchema),
  formerAuthorities: cell(keys.formerAuthorities, formerAuthoritiesSchema),
  parameters: cell(keys.parameters, parametersSchema),
  validators: cell(keys.validators, validatorSetSchema),
  sessions: cell(keys.sessions, seatSessionsSchema),
  directory: (validator: string) => cell(keys.directory(validator), directorySchema),
  governance: cell(keys.governance, governanceSchema),
  proposal: (id: string) => cell(keys.proposal(id), proposalSchema),
  blame: (validator: string, incarnation: number) =>
    cell(keys.blame(validator, incarnation), blameSchema),
  identity: (kid: string) => cell(keys.identity(kid), identitySchema),
  subject: (subject: string) => cell(keys.subject(subject), subjectSchema),
  reenrolment: (subject: string) => cell(keys.reenrolment(subject), reenrolmentSchema),
  lapse: (subject: string) => cell(keys.lapse(subject), lapseSchema),
  unmask: (id: string) => cell(keys.unmask(id), unmaskSchema),
  hospital: (validator: string) => cell(keys.hospital(validator), hospitalSchema),
  owner: (kid: string) => cell(keys.owner(kid), ownerSchema),
  patient: (pseudonym: string) => cell(keys.patient(pseudonym), patientSchema),
  rotated: (pseudonym: string) => cell(keys.rotated(pseudonym), rotatedSchema),
  rotatedTo: (pseudonym: string) => cell(keys.rotatedTo(pseudonym), rotatedToSchema),
  rotation: (pseudonym: string) => cell(keys.rotation(pseudonym), rotationSchema),
  rotationGuard: (pseudonym: string) => cell(keys.rotationGuard(pseudonym), rotationGuardSchema),
  privateData: (pseudonym: string, id: string) =>
    cell(keys.privateData(pseudonym, id), privateSchema),
  epoch: (pseudonym: string, tag: string) => cell(keys.epoch(pseudonym, tag), epochsSchema),
  permission: (id: string) => cell(keys.permission(id), permissionSchema),
  holdings: (pseudonym: string, subject: string) =>
    cell(keys.holdings(pseudonym, subject), holdingsSchema),
  teamHoldings: (pseudonym: string, team: string) =>
    cell(keys.teamHoldings(pseudonym, team), holdingsSchema),
  team: (id: string) => cell(keys.team(id), teamSchema),
  teamsOf: (subject: string) => cell(keys.teamsOf(subject), teamsOfSchema),
  appointment: (permissionId: string) => cell(keys.appointment(permissionId), appointmentSchema),
  representative: (kid: string) => cell(keys.representative(kid), representativeSchema),
  record: (id: string) => cell(keys.record(id), recordSchema),
  readers: (recordId: string) => cell(keys.readers(recordId), readersSchema),
  prescription: (id: string) => cell(keys.prescription(id), prescriptionSchema),
  prescriptionOf: (id: string) => cell(keys.prescriptionOf(id), prescriptionOfSchema),
  dispensing: (id: string, subject: string) => cell(keys.dispensing(id, subject), dispensingSchema),
  fill: (id: string) => cell(keys.fill(id), fillSchema),
  claim: (id: string) => cell(keys.claim(id), claimSchema),
  claimOf: (id: string) => cell(keys.claimOf(id), claimOfSchema),
  claimed: (service: string) => cell(keys.claimed(service), claimEntrySchema),
  letter: (id: string) => cell(keys.letter(id), letterSchema),
  chosen: (pseudonym: string) => cell(keys.chosen(pseudonym), chosenSchema),
  copiers: (pseudonym: string) => cell(keys.copiers(pseudonym), copiersSchema),
  copies: (recordId: string) => cell(keys.copies(recordId), copiesSchema),
  recordErasure: (recordId: string) => cell(keys.recordErasure(recordId), erasureSchema),
  patientErasure: (pseudonym: string) => cell(keys.patientErasure(pseudonym), erasureSchema),
  escrow: (id: string) => cell(keys.escrow(id), escrowSchema),
  escrowPointer: (pseudonym: string, kind: EscrowKind) =>
    cell(keys.escrowPointer(pseudonym, kind), escrowPointerSchema),
  emergencyHandle: (digest: string) => cell(keys.emergencyHandle(digest), emergencyHandleSchema),
  emergencyCard: (pseudonym: string) => cell(keys.emergencyCard(pseudonym), emergencyCardSchema),
  declaration: (id: string) => cell(keys.declaration(id), declarationSchema),
  recoverySetup: (pseudonym: string) => cell(keys.recoverySetup(pseudonym), recoverySetupSchema),
  recovery: (id: string) => cell(keys.recovery(id), recoverySchema),
  recoverySetupId: (id: string) => cell(keys.recoverySetupId(id), recoverySetupIdSchema),
  case: (id: string) => cell(keys.case(id), caseSchema),
  caseConsent: (id: string) => cell(keys.caseConsent(id), caseConsentSchema),
  caseState: cell(keys.caseState, caseStateSchema),
  caseNoted: (id: string) => cell(keys.caseNoted(id), caseNotedSchema),
  caseQuestion: (id: string) => cell(keys.caseQuestion(id), caseQuestionSchema),
  study: (id: string) => cell(keys.study(id), studySchema),
  participation: (study: string, pseudonym: string) =>
    cell(keys.participation(study, pseudonym), participationSchema),
  participant: (study: string, participant: string) =>
    cell(keys.participant(study, participant), participantSchema),
  release: (id: string) => cell(keys.release(id), releaseSchema),
  releasedRecord: (study: string, recordId: string) =>
    cell(keys.releasedRecord(study, recordId), releaseIdSchema),
  batch: (study: string, batch: number) => cell(keys.batch(study, batch), batchSchema),
  studyClass: (study: string, classId: number) =>
    cell(keys.studyClass(study, classId), classSchema),
  published: (study: string) => cell(keys.published(study), publishedSchema),
  probe: (validator: string) => cell(keys.probe(validator), probeSchema),
} as const;

export const listCells = {
  permissions: (pseudonym: string) => listCell(lists.permissions(pseudonym), permissionEntrySchema),
  appointments: (pseudonym: string) =>
    listCell(lists.appointments(pseudonym), appointmentEntrySchema),
  given: (permissionId: string) => listCell(lists.given(permissionId), permissionEntrySchema),
  grants: (subject: string) => listCell(lists.grants(subject), permissionEntrySchema),
  teamGrants: (team: string) => listCell(lists.teamGrants(team), permissionEntrySchema),
  earlierTerms: (permission: string) =>
    listCell(lists.earlierTerms(permission), earlierTermsSchema),
  teams: (hospital: string) => listCell(lists.teams(hospital), teamEntrySchema),
  teamLog: (team: string) => listCell(lists.teamLog(team), teamLogSchema),
  privateData: (pseudonym: string) => listCell(lists.privateData(pseudonym), privateEntrySchema),
  records: (pseudonym: string) => listCell(lists.records(pseudonym), recordEntrySchema),
  tagRecords: (pseudonym: string, tag: string) =>
    listCell(lists.tagRecords(pseudonym, tag), recordEntrySchema),
  monthRecords: (pseudonym: string, tag: string, month: string) =>
    listCell(lists.monthRecords(pseudonym, tag, month), recordEntrySchema),
  prescriptions: (pseudonym: string) =>
    listCell(lists.prescriptions(pseudonym), prescriptionEntrySchema),
  dispensings: (subject: string) => listCell(lists.dispensings(subject), prescriptionEntrySchema),
  fills: (prescription: string) => listCell(lists.fills(prescription), fillEntrySchema),
  patientClaims: (pseudonym: string) => listCell(lists.patientClaims(pseudonym), claimEntrySchema),
  subjectClaims: (subject: string) => listCell(lists.subjectClaims(subject), claimEntrySchema),
  insurerClaims: (subject: string) => listCell(lists.insurerClaims(subject), claimEntrySchema),
  unmaskings: () => listCell(lists.unmaskings(), unmaskEntrySchema),
  declarations: () => listCell(lists.declarations(), declarationEntrySchema),
  patientDeclarations: (pseudonym: string) =>
    listCell(lists.patientDeclarations(pseudonym), declarationEntrySchema),
  subjectDeclarations: (subject: string) =>
    listCell(lists.subjectDeclarations(subject), declarationEntrySchema),
  patientCases: (pseudonym: string) => listCell(lists.patientCases(pseudonym), caseEntrySchema),
  subjectCases: (subject: string) => listCell(lists.subjectCases(subject), caseEntrySchema),
  patientCaseConsents: (pseudonym: string) =>
    listCell(lists.patientCaseConsents(pseudonym), caseConsentEntrySchema),
  subjectCaseConsents: (subject: string) =>
    listCell(lists.subjectCaseConsents(subject), caseConsentEntrySchema),
  caseKeys: () => listCell(lists.caseKeys(), caseKeySchema),
  caseNotes: () => listCell(lists.caseNotes(), caseNoteSchema),
  caseQuestions: () => listCell(lists.caseQuestions(), caseQuestionEntrySchema),
  caseLog: () => listCell(lists.caseLog(), caseLogSchema),
  studies: () => listCell(lists.studies(), studyEntrySchema),
  releases: (study: string) => listCell(lists.releases(study), releaseEntrySchema),
  studyLog: (study: string) => listCell(lists.studyLog(study), studyLogSchema),
  patientReleases: (pseudonym: string) =>
    listCell(lists.patientReleases(pseudonym), releaseIdSchema),
  proposals: () => listCell(lists.proposals(), proposalEntrySchema),
  history: (pseudonym: string) => listCell(lists.history(pseudonym), historySchema),
  patientInbox: (pseudonym: string) => listCell(lists.patientInbox(pseudonym), inboxSchema),
  subjectInbox: (subject: string) => listCell(lists.subjectInbox(subject), inboxSchema),
} as const;

function cell<T>(key: string, schema: z.ZodType<T>): Cell<T> {
  return { key, schema };
}

function listCell<T>(listKeys: ListKeys, schema: z.ZodType<T>): ListCell<T> {
  return { keys: listKeys, schema };
}
