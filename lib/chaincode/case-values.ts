/** Values of state about cases: the entry of the main ledger, and what a case ledger itself holds. */
import { z } from 'zod';
import {
  bytesField,
  heightField,
  timeField,
  transactionIdField,
  validatorIdField,
} from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { caseRuleSchema } from './case-rule.ts';
import { digestField, idField, pseudonymField, subjectField } from './fields.ts';
import { identityRoleField } from './roles.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });
const shareKeyField = bytesField(chaincodeBounds.shareKeyBytes);

/** The patient as a member: shorter than any subject, so that it is nobody's. */
export const PATIENT = 'patient';
/** A member: a clinician's subject, or the patient. */
export const whoField = z.union([z.literal(PATIENT), subjectField]);
export type Who = z.infer<typeof whoField>;

/** Counts the keys of a case; 0 before the first. */
export const generationField = z.int().min(0).max(chaincodeBounds.caseKeysMax);

/** Main: a patient lets one doctor open a case, and says which key is sealed to for the patient. */
export const caseConsentSchema = z.strictObject({
  id: idField,
  pseudonym: pseudonymField,
  attending: subjectField,
  patientKey: shareKeyField,
  until: timeField,
  given: momentSchema,
  /** The case that was opened with it, or when it was taken back. */
  caseId: transactionIdField.nullable(),
  withdrawn: momentSchema.nullable(),
});
export type CaseConsent = z.infer<typeof caseConsentSchema>;

export const lastMemberSchema = z.strictObject({ who: whoField, from: generationField });

/** Main: a case, its id being the transaction that opened it and the name of its ledger. */
export const caseSchema = z.strictObject({
  id: transactionIdField,
  pseudonym: pseudonymField,
  hospital: validatorIdField,
  /** Who was in charge when it was opened; the case ledger says who is now. */
  attending: subjectField,
  patientKey: shareKeyField,
  rule: caseRuleSchema,
  opened: momentSchema,
  /** Clinicians who were told of it on the main ledger; who is a member, the case ledger says. */
  told: z.array(subjectField).max(chaincodeBounds.caseToldMax),
  closed: z
    .strictObject({
      time: timeField,
      height: heightField,
      transaction: transactionIdField,
      /** The certified block of the case ledger that says the patient was discharged. */
      anchor: z.strictObject({ height: heightField, headerHash: digestField }),
      /** Who was in it then, and the first generation that each may read. */
      members: z.array(lastMemberSchema).max(chaincodeBounds.caseMembersMax),
    })
    .nullable(),
});
export type Case = z.infer<typeof caseSchema>;

export const caseEntrySchema = z.strictObject({ caseId: transactionIdField });
export const caseConsentEntrySchema = z.strictObject({ consentId: idField });

const memberSchema = z.strictObject({
  who: whoField,
  /** As it was on joining; whether it still holds, the main ledger says. */
  role: z.union([z.literal(PATIENT), identityRoleField]),
  since: momentSchema,
  /** The first generation that this member may read. */
  from: generationField,
  /** What was sealed to this member last, and the newest key that it holds. */
  seal: z.strictObject({ digest: digestField, generation: generationField }).nullable(),
});
export type CaseMember = z.infer<typeof memberSchema>;

/** Case ledger: who is in it, who is in charge, and the present key. */
export const caseStateSchema = z.strictObject({
  /** The patient's present pseudonym, as far as the case knows. */
  pseudonym: pseudonymField,
  patientKey: shareKeyField,
  attending: subjectField,
  members: z.array(memberSchema).max(chaincodeBounds.caseMembersMax),
  /** Of the present key, or of the last one where there is none now. */
  generation: generationField,
  /** Null before the first, and from when a member left until another made a new one. */
  key: z.strictObject({ publicKey: shareKeyField, maker: whoField, made: momentSchema }).nullable(),
  /** To whom the attending clinician hands over, until that one accepts. */
  handover: z.strictObject({ to: subjectField, at: momentSchema }).nullable(),
  openQuestions: z.int().min(0).max(chaincodeBounds.caseQuestionsMax),
  /** Counts all changes of this value. */
  version: z.int().min(0),
  discharged: momentSchema.nullable(),
});
export type CaseState = z.infer<typeof caseStateSchema>;

/** Case ledger: a key of the past or present. */
export const caseKeySchema = z.strictObject({
  generation: generationField,
  publicKey: shareKeyField,
  maker: whoField,
  made: momentSchema,
});

/** Case ledger: what names a text that is sealed to the members and kept by the custodian. */
const sealedShape = {
  generation: generationField,
  digest: digestField,
  /** Bytes of what is sealed. */
  size: z.int().min(1).max(chaincodeBounds.caseNoteBytesMax),
} as const;
export const sealedNoteArgs = {
  ...sealedShape,
  generation: generationField.min(1),
} as const;

/** Case ledger: a note, or an opinion on a question, in a list that is complete. */
export const caseNoteSchema = z.strictObject({
  noteId: idField,
  author: whoField,
  role: memberSchema.shape.role,
  ...sealedShape,
  questionId: idField.nullable(),
  /** The author's own earlier note that this one takes the place of. */
  corrects: idField.nullable(),
  time: timeField,
  height: heightField,
  transaction: transactionIdField,
});
export type CaseNote = z.infer<typeof caseNoteSchema>;
/** Case ledger: an id is used, and by whom. */
export const caseNotedSchema = z.strictObject({ author: whoField });

export const caseQuestionSchema = z.strictObject({
  id: idField,
  opener: whoField,
  ...sealedShape,
  /** How many there are to choose from; what they say is sealed. */
  options: z.int().min(2).max(chaincodeBounds.caseOptionsMax),
  electors: z.array(whoField).max(chaincodeBounds.caseMembersMax),
  votes: z
    .array(z.strictObject({ who: whoField, option: z.int().min(0), time: timeField }))
    .max(chaincodeBounds.caseMembersMax),
  opened: momentSchema,
  /** Votes count before this block time. */
  deadline: timeField,
  /** `attending`: votes decided nothing, and the attending clinician has to. */
  status: z.enum(['open', 'attending', 'decided', 'unsettled']),
  /** Why votes decided nothing, or null. */
  undecided: z.enum(['quorum', 'tie', 'majority']).nullable(),
  outcome: z
    .strictObject({
      option: z.int().min(0).nullable(),
      by: z.enum(['vote', 'attending', 'nobody']),
      at: momentSchema,
    })
    .nullable(),
});
export type CaseQuestion = z.infer<typeof caseQuestionSchema>;
export const caseQuestionEntrySchema = z.strictObject({ questionId: idField });

/** Case ledger: everything but notes, in a list that is complete. */
export const caseLogSchema = z.strictObject({
  time: timeField,
  height: heightField,
  transaction: transactionIdField,
  fn: z.string().max(64),
  who: whoField,
  /** Whom it concerns: who joined or left, was sealed to, or takes over. */
  members: z.array(whoField).max(2 * chaincodeBounds.caseMembersMax),
  /** Key that was made; first one that a member was given. */
  generation: generationField.nullable(),
  questionId: idField.nullable(),
  /** What was voted for, or decided. */
  option: z.int().min(0).nullable(),
});
export type CaseLogEntry = z.infer<typeof caseLogSchema>;
