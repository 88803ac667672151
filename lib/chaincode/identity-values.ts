/** Values of identities in change: re-enrolments, lapses, and requests to unmask. */
import { z } from 'zod';
import { timeField, validatorIdField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, idField, kidField, subjectField } from './fields.ts';
import { identityRoleField } from './roles.ts';
import { identitySchema, momentSchema } from './values.ts';

/** Who did a step, for which hospital, when. */
const personAtSchema = z.strictObject({
  kid: kidField,
  hospital: validatorIdField,
  at: momentSchema,
});

export const reenrolmentReasonField = z.enum(['device-lost', 'device-stolen', 'passphrase-lost']);

export const reenrolmentSchema = z.strictObject({
  /** The new key, and what it becomes once it counts. */
  kid: kidField,
  identity: identitySchema,
  previousKid: kidField,
  /** What the old key was before: an objection brings that back. */
  before: z.enum(['active', 'revoked']),
  reason: reenrolmentReasonField,
  /** The newest word of the own hospital, and of each other one. */
  requested: personAtSchema,
  approvals: z.array(personAtSchema).max(chaincodeBounds.approvalsMax),
  /** The old key objected to an earlier try: a quorum of hospitals decides, and it cannot again. */
  contested: z.boolean(),
  /** First moment at which it can be finished, and the last. */
  from: timeField,
  until: timeField,
  /** `vetoed` by the old key, `withdrawn` by the hospital that asked for it. */
  status: z.enum(['open', 'done', 'vetoed', 'withdrawn']),
});
export type Reenrolment = z.infer<typeof reenrolmentSchema>;

export const lapseSchema = z.strictObject({
  /** The first grant that is not looked at yet. */
  next: z.int().min(0).max(chaincodeBounds.listMax),
});

export const unmaskReasonField = z.enum([
  'court-order',
  'suspected-fraud',
  'patient-safety',
  'registered-in-error',
]);

const unmaskerSchema = z.strictObject({
  ...personAtSchema.shape,
  role: identityRoleField,
  subject: subjectField,
});

export const unmaskSchema = z.strictObject({
  id: idField,
  /** Salted commitment to the serial number of one one-time certificate. */
  commitment: digestField,
  reasonCode: unmaskReasonField,
  requested: unmaskerSchema,
  approved: unmaskerSchema.nullable(),
});
export type Unmask = z.infer<typeof unmaskSchema>;

export const unmaskEntrySchema = z.strictObject({ unmaskId: idField });
