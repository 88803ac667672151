/** What a receipt permits at the custodian: results of the chaincode, read as capabilities. */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { timeField } from '../wire/fields.ts';
import type { TransactionResult } from '../wire/result.ts';
import { recordsBounds } from './bounds.ts';
import { RecordsError } from './errors.ts';

const id = z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/);
const text32 = z.string().regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/);
const tag = z.string().regex(/^[A-Za-z0-9_-]{22,43}$/);
const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/);

/** `record.register`: exactly these bytes may be stored, by this uploader. */
const registerSchema = z.object({
  fn: z.literal('record.register'),
  recordId: id,
  pseudonym: text32,
  categoryTag: tag,
  dataMonth: month,
  digest: text32,
  ciphertextLength: z.int().min(1).max(recordsBounds.objectBytesMax),
  wrapDigest: text32,
  uploaderKid: text32,
});
export type RegisterCapability = z.infer<typeof registerSchema>;

/** `access.request`: this reader may have this object until then. */
const accessSchema = z.object({
  fn: z.literal('access.request'),
  recordId: id,
  objectDigest: text32,
  readerKid: text32,
  usableUntil: timeField,
});

/** `access.list`: this reader may see the sealed metadata of these categories until then. */
const listSchema = z.object({
  fn: z.literal('access.list'),
  pseudonym: text32,
  /** The patient's own list: every category and month. */
  all: z.boolean(),
  /** Else these categories, from and until these months; null is open. */
  scopes: z
    .array(z.object({ tag, dataFrom: month.nullable(), dataUntil: month.nullable() }))
    .max(1_024),
  readerKid: text32,
  usableUntil: timeField,
});
export type ListCapability = z.infer<typeof listSchema>;

/** `copy.request`: this hospital may copy the records of these categories until then. */
const copySchema = listSchema.extend({
  fn: z.literal('copy.request'),
  hospital: z.string().max(64),
  /** Shares of the permissions that it relies on. */
  shares: z
    .array(
      z.object({
        permissionId: id,
        shareDigest: text32,
      }),
    )
    .max(1_024),
});
export type CopyCapability = z.infer<typeof copySchema>;

/** `copy.held`: these are the bytes that the ledger names, and this hospital holds them. */
const heldSchema = z.object({
  fn: z.literal('copy.held'),
  pseudonym: text32,
  holderKid: text32,
  records: z
    .array(
      z.object({
        recordId: id,
        categoryTag: tag,
        dataMonth: month,
        /** Of the bytes as they were uploaded, and as they are now. */
        digest: text32,
        objectDigest: text32,
        generation: z.int().min(0),
        ciphertextLength: z.int().min(1).max(recordsBounds.objectBytesMax),
        wrapDigest: text32,
        uploaderKid: text32,
      }),
    )
    .max(1_024),
});
export type HeldRecord = z.infer<typeof heldSchema>['records'][number];

/** An order to erase, or one that was certified anew: nothing may be left of these. */
const eraseSchema = z.union([
  z.object({ fn: z.enum(['record.erase', 'erasure.renew']), recordIds: z.array(id).max(1_024) }),
  z.object({
    fn: z.enum(['patient.erase', 'erasure.renew']),
    pseudonyms: z.array(text32).max(1_024),
  }),
]);
export type EraseCapability = z.infer<typeof eraseSchema>;

/** A permission given, changed or sealed anew: this share takes the place of older versions. */
const grantSchema = z
  .object({
    fn: z.enum([
      'permission.grant',
      'permission.narrow',
      'permission.extend',
      'permission.reseal',
      'representative.appoint',
    ]),
    pseudonym: text32,
    permissionId: id,
    /** The key of a person, or a care team. */
    granteeKid: text32.nullable(),
    team: id.nullable(),
    shareDigest: text32,
    version: z.int().min(1),
  })
  .refine(({ granteeKid, team }) => (granteeKid === null) !== (team === null));

/** The end of a permission or appointment: what was sealed for it is not wanted any more. */
const revokeSchema = z.object({
  fn: z.enum(['permission.revoke', 'representative.end']),
  permissionId: id,
});

/** Something sealed to a pharmacist, an insurer or who asked one, and the place of its answer. */
const letterSchema = z.object({
  fn: z.enum(['prescription.release', 'claim.estimate', 'claim.submit', 'claim.answer']),
  /** Null where the sender must not know it. */
  pseudonym: text32.nullable(),
  letters: z
    .array(z.object({ letterId: id, to: text32, digest: text32.nullable(), until: timeField }))
    .max(2),
});
export type LetterCapability = z.infer<typeof letterSchema>;

/** Letters that are not wanted any more. */
const recallSchema = z.object({
  fn: z.enum(['prescription.recall', 'claim.withdraw']),
  letterIds: z.array(id).max(2),
});

/** A care team as it is now: whose seals are kept, and which are new. */
const teamSchema = z.object({
  fn: z.enum(['team.create', 'team.change', 'team.close', 'team.publish-key', 'team.seal']),
  teamId: id,
  version: z.int().min(1),
  /** Present keys of members, and those of before that something is still sealed to. */
  memberKids: z.array(text32).max(2 * recordsBounds.teamMembersMax),
  seals: z
    .array(z.object({ kid: text32, digest: text32 }))
    .max(recordsBounds.teamMembersMax)
    .default([]),
});
export type TeamCapability = z.infer<typeof teamSchema>;

/** `copy.team`: this hospital may copy these seals until then. */
const teamCopySchema = teamSchema.extend({
  fn: z.literal('copy.team'),
  readerKid: text32,
  usableUntil: timeField,
});

/** A registration, a publication, or what renewed keys with a permission: keys under this root. */
const publishSchema = z.object({
  fn: z.enum([
    'patient.register',
    'patient.publish-keys',
    'permission.narrow',
    'permission.reseal',
    'patient.rotate-begin',
    'patient.rotate-renew',
    'recovery.rotate',
    'permission.revoke',
    'representative.end',
  ]),
  pseudonym: text32,
  ownerKid: text32,
  categoryKeysRoot: text32,
  categoryKeysVersion: z.int().min(1),
});

/** A rotation began, by the owner or by recovery: from this pseudonym to that one. */
const rotateSchema = z.object({
  fn: z.enum(['patient.rotate-begin', 'patient.rotate-renew', 'recovery.rotate']),
  pseudonym: text32,
  from: text32,
  ownerKid: text32,
  sealingKeyDigest: text32,
});

/** `record.retag`: this record, of these bytes, under these wraps; `record.leave`: delete it. */
const settleSchema = z.discriminatedUnion('fn', [
  z.object({
    fn: z.literal('record.retag'),
    recordId: id,
    pseudonym: text32,
    ownerKid: text32,
    categoryTag: tag,
    dataMonth: month,
    generation: z.int().min(1),
    objectDigest: text32,
    wrapDigest: text32,
  }),
  z.object({
    fn: z.literal('record.leave'),
    recordId: id,
    pseudonym: text32,
    ownerKid: text32,
  }),
]);

/** `patient.private`: this may be kept for its owner, in the place of earlier versions. */
const privateSchema = z.object({
  fn: z.literal('patient.private'),
  pseudonym: text32,
  ownerKid: text32,
  privateId: id,
  version: z.int().min(1),
  sealedDigest: text32,
});

/** A rotation is over: what was kept for the old keys alone is not wanted any more. */
const finishSchema = z.union([
  z.object({ fn: z.literal('patient.rotate-finish'), pseudonym: text32, from: text32 }),
  z.object({
    fn: z.literal('patient.rotate-renew'),
    pseudonym: text32,
    from: text32,
    isFinished: z.literal(true),
  }),
]);

const study = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const participants = z
  .array(
    z.object({
      participant: text32,
      releases: z.array(z.int().min(0)).max(recordsBounds.publishedReleasesMax),
    }),
  )
  .max(recordsBounds.publishedMembersMax);

/** `release.submit`: this may be kept for the study’s coordinator and researcher. */
const releaseSchema = z.object({
  fn: z.literal('release.submit'),
  studyId: study,
  participant: text32,
  sequence: z.int().min(0),
  rowDigest: text32,
  payloadDigest: text32,
});

/** `release.collect`: this coordinator may have what is counted of the study until then. */
const collectSchema = z.object({
  fn: z.literal('release.collect'),
  studyId: study,
  readerKid: text32,
  usableUntil: timeField,
});

const caseId = z.string().regex(/^[0-9a-f]{64}$/);
/** A member of a case: a subject, or `patient`. */
const who = z.string().regex(/^[A-Za-z0-9_-]{7,64}$/);
const generation = z.int().min(1).max(9_999);
const inCase = { caseId, pseudonym: text32 } as const;

/** A note, an opinion or a question of a case: exactly this may be kept, from its author. */
const caseNoteSchema = z.object({
  fn: z.enum(['case.note', 'case.opinion', 'case.question']),
  ...inCase,
  noteId: id,
  authorKid: text32,
  generation,
  digest: text32,
  size: z.int().min(1),
});

/** A key of a case, as its maker sealed it to members. */
const caseSealSchema = z.object({
  fn: z.enum(['case.rekey', 'case.members', 'case.seal']),
  ...inCase,
  makerKid: text32,
  generation,
  version: z.int().min(1),
  seals: z.array(z.object({ who, digest: text32 })).max(recordsBounds.caseMembersMax),
});

/** This member may have what was sealed to it, and notes from this key on, until then. */
const caseReadSchema = z.object({
  fn: z.enum(['case.read', 'case.reread']),
  ...inCase,
  who,
  from: generation,
  readerKid: text32,
  usableUntil: timeField,
});

/** `release.publish`: these rows are for the researcher. */
const publicationSchema = z.object({
  fn: z.literal('release.publish'),
  studyId: study,
  batch: z.int().min(1),
  rowsDigest: text32,
});

/** `release.access`: this researcher may have these of a publication until then. */
const studyAccessSchema = z.object({
  fn: z.literal('release.access'),
  studyId: study,
  batch: z.int().min(1),
  readerKid: text32,
  members: participants,
  usableUntil: timeField,
});

/** `study.withdraw`: nothing of this participant is wanted any more. */
const withdrawSchema = z.object({
  fn: z.literal('study.withdraw'),
  studyId: study,
  participant: text32,
});

/** Access is decided: a denial is committed like a permit. */
const decisionSchema = z.object({ decision: z.enum(['permit', 'deny']) });

/** What each kind of capability is read from. */
const schemas = {
  register: registerSchema,
  access: accessSchema,
  list: listSchema,
  copy: copySchema,
  held: heldSchema,
  erase: eraseSchema,
  grant: grantSchema,
  revoke: revokeSchema,
  letter: letterSchema,
  recall: recallSchema,
  team: teamSchema,
  'team-copy': teamCopySchema,
  publish: publishSchema,
  rotate: rotateSchema,
  settle: settleSchema,
  finish: finishSchema,
  private: privateSchema,
  release: releaseSchema,
  collect: collectSchema,
  publication: publicationSchema,
  studyAccess: studyAccessSchema,
  withdraw: withdrawSchema,
  'case-note': caseNoteSchema,
  'case-seal': caseSealSchema,
  'case-read': caseReadSchema,
} as const;
type Kind = keyof typeof schemas;

/**
 * Reads a verified receipt's result as one kind of capability. The
 * result names its function, so that none passes for another; further members are ignored.
 * Throws `receipt_not_committed`, `receipt_denied` or `receipt_wrong_kind`.
 */
export function readCapability<K extends Kind>(
  kind: K,
  result: Pick<TransactionResult, 'status' | 'value'>,
): z.infer<(typeof schemas)[K]> {
  if (result.status !== 'COMMITTED') {
    throw new RecordsError('receipt_not_committed', 'the chaincode refused this transaction');
  }
  const decision = decisionSchema.safeParse(result.value);
  if (decision.success && decision.data.decision === 'deny') {
    throw new RecordsError('receipt_denied', 'the decision of this receipt is a denial');
  }
  const parsed = schemas[kind].safeParse(result.value);
  if (!parsed.success) {
    throw new RecordsError('receipt_wrong_kind', `the receipt permits no ${kind}`);
  }
  return parsed.data as z.infer<(typeof schemas)[K]>;
}

/** Whether a list covers a record of this category and month. */
export function coversRecord(
  { all, scopes }: Pick<ListCapability, 'all' | 'scopes'>,
  record: { categoryTag: string; dataMonth: string },
): boolean {
  if (all) return true;
  return scopes.some(
    ({ tag: covered, dataFrom, dataUntil }) =>
      covered === record.categoryTag &&
      (dataFrom === null || record.dataMonth >= dataFrom) &&
      (dataUntil === null || record.dataMonth <= dataUntil),
  );
}

/**
 * Throws `receipt_expired` once a capability is over. Whatever the result says, it is over
 * `receiptUsableMsMax` after its block: only honest chaincode keeps to the parameter.
 */
export function checkUsable(
  { usableUntil }: { usableUntil: number },
  { blockTime, nowMs }: { blockTime: number; nowMs: number },
): void {
  if (nowMs >= Math.min(usableUntil, blockTime + limits.receiptUsableMsMax)) {
    throw new RecordsError('receipt_expired', 'this receipt is over: ask for access anew');
  }
}

/** Throws `proof_wrong_key` unless the proven key is the one that the receipt names. */
export function checkHolder(namedKid: string, proofKid: string): void {
  if (namedKid !== proofKid) {
    throw new RecordsError('proof_wrong_key', 'the receipt names another key');
  }
}
