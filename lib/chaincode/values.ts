/** Values of state: deterministic CBOR with a schema for each kind of key. */
import { z } from 'zod';
import {
  bytesField,
  hashField,
  heightField,
  ledgerField,
  publicKeyField,
  timeField,
  transactionIdField,
  validatorIdField,
  viewField,
} from '../wire/fields.ts';
import { parametersSchema } from '../wire/parameters.ts';
import { phaseSchema } from '../wire/vote.ts';
import { chaincodeBounds } from './bounds.ts';
import { changeSchema } from './change-schema.ts';
import {
  digestField,
  idField,
  kidField,
  labelField,
  monthField,
  pseudonymField,
  purposeField,
  revisionField,
  subjectField,
  tagField,
} from './fields.ts';
import { identityRoleField } from './roles.ts';
import { generationField, recordRotationSchema } from './rotation-values.ts';
import { teamEpochField } from './team-values.ts';
import { termsShape } from './terms.ts';

/** When something was committed. */
export const momentSchema = z.strictObject({ time: timeField, height: heightField });

export const identitySchema = z.strictObject({
  role: identityRoleField,
  subject: subjectField,
  /** Null for parties of the whole network. */
  hospital: validatorIdField.nullable(),
  name: z.string().max(200),
  publicKey: publicKeyField,
  /** Digest of the X-Wing key to seal to; null for parties that receive nothing sealed. */
  encryptionKeyDigest: hashField.nullable(),
  /** Last valid moment of the certificate; null for keys of the genesis document. */
  validUntil: timeField.nullable(),
  /** Serial number of the certificate, hexadecimal. */
  serial: z.string().max(40),
  /** `suspended`: its device was reported lost, and another key waits to take its place. */
  status: z.enum(['active', 'suspended', 'renewed', 'revoked']),
  since: momentSchema,
  ended: z
    .strictObject({ time: timeField, height: heightField, reason: z.string().max(32) })
    .nullable(),
  /** The key of the renewed identity. */
  successor: kidField.nullable(),
  /** How the subject came to this key; a subject's first has none. */
  origin: z.strictObject({ kid: kidField, how: z.enum(['renewed', 're-enrolled']) }).optional(),
});
export type Identity = z.infer<typeof identitySchema>;

/** A person over all renewals. */
export const subjectSchema = z.strictObject({
  kid: kidField,
  role: identityRoleField,
  hospital: validatorIdField.nullable(),
  status: z.enum(['active', 'suspended', 'revoked']),
});
export type Subject = z.infer<typeof subjectSchema>;

export const hospitalSchema = z.strictObject({ name: z.string().max(128), operator: kidField });
export type Hospital = z.infer<typeof hospitalSchema>;

/** What others need of a validator; one that left keeps its entry, and its last incarnation. */
export const directorySchema = z.strictObject({
  name: z.string().min(1).max(128),
  apiUrl: z.string().max(512),
  operatorKey: publicKeyField,
  /** X-Wing public key that receives shares. */
  shareKey: bytesField(chaincodeBounds.shareKeyBytes),
  incarnation: heightField,
  since: momentSchema,
  removed: momentSchema.nullable(),
  /** How often it brought new keys by itself since a moment. */
  rejoined: z
    .strictObject({ since: timeField, count: z.int().min(1).max(chaincodeBounds.rejoinsMax) })
    .nullable(),
});
export type DirectoryEntry = z.infer<typeof directorySchema>;

/** A proven equivocation: the transaction that brought the evidence holds it. */
export const blameSchema = z.strictObject({
  ledger: ledgerField,
  phase: phaseSchema,
  height: heightField,
  view: viewField,
  hashes: z.tuple([hashField, hashField]),
  accuser: kidField,
  transaction: transactionIdField,
  at: momentSchema,
  /** False where as many were suspended as may be faulty. */
  suspended: z.boolean(),
});

export const proposalSchema = z.strictObject({
  id: transactionIdField,
  change: changeSchema,
  /** What the change was proposed against: hash of the members, or of the parameters. */
  base: digestField,
  /** First height that it may govern; null is as soon as a quorum approved. */
  activateAt: heightField.nullable(),
  proposer: validatorIdField,
  made: momentSchema,
  expiresAt: timeField,
  approvals: z
    .array(z.strictObject({ hospital: validatorIdField, kid: kidField, at: momentSchema }))
    .max(chaincodeBounds.approvalsMax),
  /** `scheduled`: decided, and waiting for its height. `failed`: it no longer fits by then. */
  status: z.enum(['open', 'scheduled', 'done', 'failed', 'withdrawn', 'expired']),
  decided: momentSchema.nullable(),
  /** The height that it governs first, once it is done. */
  actsAt: heightField.nullable(),
  /** Why it failed, or empty. */
  code: z.string().max(64),
});
export type Proposal = z.infer<typeof proposalSchema>;

export const governanceSchema = z.strictObject({
  open: z
    .array(
      z.strictObject({
        proposalId: transactionIdField,
        hospital: validatorIdField,
        expiresAt: timeField,
      }),
    )
    .max(chaincodeBounds.proposalsMax),
  scheduled: z
    .array(z.strictObject({ proposalId: transactionIdField, activateAt: heightField }))
    .max(chaincodeBounds.scheduledMax),
  /** Block of the last change of validators by governance: one acts before the next is made. */
  setChangedAt: heightField.nullable(),
  /** Block of the last change of parameters, and what they were before it. */
  parametersChange: z.strictObject({ height: heightField, before: parametersSchema }).nullable(),
});
export type Governance = z.infer<typeof governanceSchema>;

export const proposalEntrySchema = z.strictObject({ proposalId: transactionIdField });

export const ownerSchema = z.strictObject({
  pseudonym: pseudonymField,
  publicKey: publicKeyField,
  since: momentSchema,
  /** Set by a rotation: the key is dead from this block on. */
  retired: momentSchema.optional(),
  /** Set by the release of a recovery: the key can only rotate from this block on, or veto. */
  mustRotate: momentSchema.optional(),
});
export type Owner = z.infer<typeof ownerSchema>;

export const patientSchema = z.strictObject({
  ownerKid: kidField,
  /** Version of the rule that makes the identifying text, frozen at registration. */
  uiiVersion: z.int().min(1).max(1_000),
  categoryKeysRoot: digestField,
  categoryKeysFrom: monthField,
  /** Counts publications of category keys, from 1. */
  categoryKeysVersion: z.int().min(1),
  since: momentSchema,
});
export type Patient = z.infer<typeof patientSchema>;

/** Revised months of a category; the revision of any other month is 0. */
export const epochsSchema = z
  .array(z.strictObject({ month: monthField, revision: revisionField.min(1) }))
  .max(chaincodeBounds.revisedMonthsMax);
export type Epochs = z.infer<typeof epochsSchema>;

export const permissionSchema = z.strictObject({
  id: idField,
  pseudonym: pseudonymField,
  /** Subject of a person, id of a care team, or thumbprint of a representative's key. */
  grantee: subjectField,
  granteeKind: z.enum(['person', 'team', 'representative']),
  ...termsShape,
  /** Digest of the sealed share at the custodian. */
  shareDigest: digestField,
  /** The team's key that it is sealed to; null for a person. */
  teamEpoch: teamEpochField.nullable(),
  /** When the present share was sealed. */
  sealed: momentSchema,
  /** Counts changes of terms and of the share, from 1. */
  version: z.int().min(1),
  granted: momentSchema,
  revoked: momentSchema.nullable(),
  /** The appointment of the representative who gave it, with which it ends; else null. */
  appointmentId: idField.nullable(),
});
export type Permission = z.infer<typeof permissionSchema>;

export const holdingsSchema = z.array(idField).max(chaincodeBounds.holdingsMax);

/** Why the writer of a record takes it back. */
export const retractReasonField = z.enum(['wrong-patient', 'written-in-error']);

export const readersSchema = z.strictObject({
  subjects: z.array(subjectField).max(chaincodeBounds.readersMax),
  /** Readers beyond those. */
  more: z.int().min(0),
});

export const recordSchema = z.strictObject({
  id: idField,
  pseudonym: pseudonymField,
  categoryTag: tagField,
  epoch: z.strictObject({ month: monthField, revision: revisionField }),
  dataMonth: monthField,
  /** Bytes of the padded ciphertext. */
  ciphertextLength: z.int().min(1).max(chaincodeBounds.ciphertextBytesMax),
  /** Of the ciphertext as it was uploaded. */
  digest: digestField,
  /** Layers that the custodian put on it since, and the digest of the bytes as they are now. */
  generation: generationField,
  objectDigest: digestField,
  rotation: recordRotationSchema.nullable(),
  metadataCommitment: digestField,
  wrapDigest: digestField,
  uploader: z.strictObject({
    kid: kidField,
    subject: subjectField,
    hospital: validatorIdField.nullable(),
  }),
  registered: momentSchema,
  stored: momentSchema.nullable(),
  /** What the patient says of it. */
  review: z.enum(['awaiting', 'countersigned', 'disputed']),
  disputeReason: z.string().max(32).nullable(),
  supersedes: idField.nullable(),
  supersededBy: idField.nullable(),
  /** When the patient ordered that nothing of it be left; who did so is in `erasure/…`. */
  erased: momentSchema.nullable(),
  /** When its writer took it back, and why: nobody but the patient opens it any more. */
  retracted: momentSchema.extend({ reason: retractReasonField }).nullable(),
});
export type MedicalRecord = z.infer<typeof recordSchema>;

export const recordEntrySchema = z.strictObject({ recordId: idField, dataMonth: monthField });
export const permissionEntrySchema = z.strictObject({ permissionId: idField });

export const historySchema = z.strictObject({
  time: timeField,
  height: heightField,
  transaction: transactionIdField,
  fn: z.string().max(64),
  actor: z.strictObject({
    kid: kidField,
    role: z.string().max(32),
    /** Null for the patient. */
    subject: subjectField.nullable(),
    hospital: validatorIdField.nullable(),
  }),
  recordId: idField.nullable(),
  permissionId: idField.nullable(),
  /** The care team through which the actor was permitted. */
  team: idField.nullable(),
  /** Of as many permissions as one request names, in the most. */
  categories: z
    .array(tagField)
    .max(chaincodeBounds.categoriesMax * chaincodeBounds.copyPermissionsMax),
  purpose: purposeField.nullable(),
  /** `done` where there was nothing to decide. */
  decision: z.enum(['done', 'permit', 'deny']),
  reason: z.string().max(64).nullable(),
  /** The study that it was for. */
  study: labelField.nullable(),
});
export type HistoryEntry = z.infer<typeof historySchema>;

export const inboxSchema = z.strictObject({
  time: timeField,
  height: heightField,
  transaction: transactionIdField,
  topic: z.string().max(64),
  recordId: idField.nullable(),
  permissionId: idField.nullable(),
});
export type InboxEntry = z.infer<typeof inboxSchema>;

export const probeSchema = z.strictObject({
  label: labelField,
  count: z.int().min(1),
  time: timeField,
  height: heightField,
});

export const countSchema = z.int().min(0).max(chaincodeBounds.listMax);
