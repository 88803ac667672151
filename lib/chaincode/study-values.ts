/** Values of state about studies: their terms, who takes part, what was released and published. */
import { z } from 'zod';
import {
  bytesField,
  heightField,
  timeField,
  transactionIdField,
  validatorIdField,
} from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import {
  digestField,
  distinct,
  idField,
  kidField,
  labelField,
  pseudonymField,
  subjectField,
} from './fields.ts';
import { teamNameField } from './team-values.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/** What is known of a person beside the data of a study, and could single the person out. */
export const quasiField = z.enum(['birth-year', 'sex', 'postcode']);
export type QuasiIdentifier = z.infer<typeof quasiField>;

/** A code of a terminology, as `2.16…|code` or `http…|code`. */
const codeField = z
  .string()
  .regex(/^[\x21-\x7e]{1,96}\|[\x21-\x7e]{1,24}$/, 'a code with its system')
  .describe('code as SYSTEM|CODE');

/** What a study asks for; it never changes once it is registered. */
export const studyTerms = {
  title: teamNameField,
  /** SHA-256 of the protocol that the ethics committees decide about. */
  protocolDigest: digestField,
  /** Names of the categories of records that it wants. */
  categories: distinct(labelField, 1, chaincodeBounds.studyCategoriesMax),
  /** Subject of the one who counts: a coordinator, and nobody of the researcher's own. */
  coordinator: subjectField,
  /** Patients that nothing published may tell apart, at least. */
  k: z.int().min(chaincodeBounds.studyPatientsMin).max(chaincodeBounds.studyPatientsMax),
  /** Different values of the sensitive attribute among them, at least; 1 asks for nothing. */
  l: z.int().min(1).max(chaincodeBounds.studyValuesMax),
  quasi: distinct(quasiField, 1, quasiField.options.length),
  /** The sensitive attribute: which of these codes a patient has. */
  sensitive: distinct(codeField, 0, chaincodeBounds.studyCodesMax),
  /** Nothing is released from then on. */
  until: timeField,
} as const;

export const studySchema = z.strictObject({
  id: labelField,
  ...studyTerms,
  researcher: subjectField,
  hospital: validatorIdField.nullable(),
  made: momentSchema,
  approvals: z
    .array(
      z.strictObject({
        hospital: validatorIdField,
        kid: kidField,
        /** SHA-256 of what the hospital's ethics committee decided. */
        ethicsDigest: digestField,
        at: momentSchema,
      }),
    )
    .max(chaincodeBounds.approvalsMax),
  approved: momentSchema.nullable(),
  closed: z.strictObject({ ...momentSchema.shape, by: kidField }).nullable(),
  /** Publications so far, and classes that they made. */
  batches: z.int().min(0),
  classes: z.int().min(0),
});
export type Study = z.infer<typeof studySchema>;

export const studyEntrySchema = z.strictObject({ studyId: labelField });

/** A pseudonym's way to the handle that stands for its patient in a study. */
export const participationSchema = z.strictObject({ participant: digestField });

/** A patient in a study, over all rotations. The handle says nothing of any other study. */
export const participantSchema = z.strictObject({
  /** Commitment to the study pseudonym. */
  commitment: digestField,
  /** Under which the patient joined last: no query of others reads it. */
  pseudonym: pseudonymField,
  joined: momentSchema,
  withdrawn: momentSchema.nullable(),
  /** The class in which the patient was published first, for good. */
  classId: z.int().min(1).nullable(),
});
export type Participant = z.infer<typeof participantSchema>;

/** Who left a study, or came back to it. */
export const studyLogSchema = z.strictObject({
  participant: digestField,
  what: z.enum(['left', 'came-back']),
  at: momentSchema,
});

/** What researcher and coordinator may know of a release: no record, no pseudonym, no time. */
export const releaseEntrySchema = z.strictObject({
  participant: digestField,
  /** To the study pseudonym, when it was released. */
  commitment: digestField,
  /** Commitment to what is counted, and digests of what is sealed. */
  rowCommitment: digestField,
  rowDigest: digestField,
  payloadDigest: digestField,
  /** Where the record came from, as the ledger has it: the proof of a trusted source. */
  source: z.strictObject({
    hospital: validatorIdField.nullable(),
    /** Of the clinician who registered it; who that was is not told. */
    role: z.string().max(32),
    review: z.enum(['awaiting', 'countersigned']),
  }),
  /**
   * Whose doctor released it. Neither who nor when: whoever knows the doctor would know too much.
   */
  releasedBy: z.strictObject({ hospital: validatorIdField.nullable() }),
});
export type ReleaseEntry = z.infer<typeof releaseEntrySchema>;

/** The same release for patient and doctor: of which record, by which permission. */
export const releaseSchema = z.strictObject({
  id: idField,
  studyId: labelField,
  sequence: z.int().min(0),
  pseudonym: pseudonymField,
  recordId: idField,
  permissionId: idField,
  participant: digestField,
  doctor: subjectField,
  hospital: validatorIdField.nullable(),
  released: momentSchema,
  transaction: transactionIdField,
});

export const releaseIdSchema = z.strictObject({ releaseId: idField });

/** One publication: which releases the researcher may have, by class. */
export const batchSchema = z.strictObject({
  /** Digest over the sealed rows, in the order of the members. */
  rowsDigest: digestField,
  classes: z
    .array(
      z.strictObject({
        classId: z.int().min(1),
        members: z
          .array(
            z.strictObject({
              participant: digestField,
              releases: z.array(z.int().min(0)).max(chaincodeBounds.publishedReleasesMax),
            }),
          )
          .max(chaincodeBounds.publishedMembersMax),
      }),
    )
    .max(chaincodeBounds.publishedMembersMax),
  published: momentSchema,
});

/** Who is in a class: it is published again as a whole or not at all. */
export const classSchema = z.array(digestField).max(chaincodeBounds.publishedMembersMax);

/** A bit for each release of a study, by sequence: whether it was published. */
export const publishedSchema = bytesField(chaincodeBounds.releasesOfStudyMax / 8);
