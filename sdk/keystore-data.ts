/** What a keystore holds for each kind of person, checked whenever it is read. */
import { z } from 'zod';
import { emergencyDataSchema } from './emergency-data.ts';
import { SdkError } from './errors.ts';
import { deliverySchema } from './escrow-delivery.ts';
import type { Keystore } from './keystore.ts';
import { representativeCardSchema } from './representative-card.ts';
import { uiiSchema } from './uii.ts';

const text = z.string().max(8_192);
const month = z.string().regex(/^\d{4}-(?:0[1-9]|1[0-2])$/);

const enrolmentSchema = z.strictObject({
  network: z.string(),
  /** Random name at the membership service. */
  enrolmentId: z.string().max(128),
  role: z.string().max(32),
  status: z.enum(['challenged', 'pending', 'active']),
  /** DER, base64url; once active. */
  certificate: text.optional(),
  /** The membership service's name for the person; survives renewal. */
  subject: z.string().max(128).optional(),
});
export type EnrolmentData = z.infer<typeof enrolmentSchema>;

/** Keys beside the present ones of the keystore. */
const keysSchema = z.strictObject({
  /** PKCS #8, base64url. */
  signingKey: z.string().max(512),
  /** Seed of the X-Wing pair, base64url. */
  encryptionSeed: z.string().max(64),
});

const oneTimeSchema = z.strictObject({
  /** PKCS #8, base64url. */
  key: z.string().max(512),
  /** DER, base64url. */
  certificate: text,
  /** First and last valid moment, milliseconds. */
  notBefore: z.int().optional(),
  notAfter: z.int(),
});
export type OneTimeData = z.infer<typeof oneTimeSchema>;

/** Keys of a patient before or after those that count now. */
const otherKeysSchema = z.strictObject({
  root: z.string().max(64),
  ownerKey: z.string().max(512),
  pseudonym: z.string().max(64),
});
export type OtherKeys = z.infer<typeof otherKeysSchema>;

/** A rotation that is under way; it goes on from here after any interruption. */
const rotationSchema = z.strictObject({
  /** `prepared`: the other keys are the next ones; `begun`: they are those of before. */
  step: z.enum(['prepared', 'begun']),
  other: otherKeysSchema,
  /** Old permission → the one that takes its place. */
  permissions: z.record(
    z.string(),
    z.strictObject({ permissionId: z.string().max(64), isDone: z.boolean() }),
  ),
  /** Where the patient chose: old permissions to give again, and those that were taken back. */
  choice: z
    .strictObject({
      /** As they were when the patient looked: with other terms they end. */
      keep: z.array(z.strictObject({ id: z.string().max(64), version: z.int().min(1) })).max(4_096),
      leftOut: z.array(z.string().max(64)).max(4_096),
    })
    .optional(),
});
export type RotationData = z.infer<typeof rotationSchema>;

/** Guardians of a patient: who they are stands here and on the kit, and nowhere else. */
const guardiansSchema = z.strictObject({
  setupId: z.string().max(64),
  escrowId: z.string().max(64),
  needed: z.int().min(2),
  guardians: z.array(z.strictObject({ name: z.string().max(128), kid: z.string().max(64) })).max(9),
  /** Categories that the recovery blob names. */
  categories: z.array(z.string().max(64)).max(41),
  since: z.int(),
  /** What hospitals still have to be handed; null once all have it. */
  delivery: deliverySchema.nullable(),
});
export type GuardiansData = z.infer<typeof guardiansSchema>;

/** The new device of a recovery that was released: the keys here have to be rotated by it. */
const recoveredSchema = z.strictObject({
  recoveryId: z.string().max(64),
  receivingKey: z.string().max(512),
});

export const patientDataSchema = z.strictObject({
  enrolment: enrolmentSchema.optional(),
  /** `SKAES_P`, 32 bytes, base64url. */
  root: z.string().max(64),
  /** PKCS #8 of the owner key, base64url. */
  ownerKey: z.string().max(512),
  uii: uiiSchema,
  pseudonym: z.string().max(64),
  /** Set once the pseudonym is registered on the ledger. */
  registered: z.strictObject({ height: z.int(), time: z.int(), month }).optional(),
  /** Names of the categories whose keys are published. */
  categories: z.array(z.string().max(64)).max(41),
  /** First month of the newest publication of category keys. */
  publishedFrom: month.optional(),
  oneTime: z.array(oneTimeSchema).max(200),
  /** How many notices of the ledger were followed by what they call for. */
  tended: z.int().min(0).optional(),
  rotation: rotationSchema.optional(),
  /** Names of the categories under earlier pseudonyms, by tag: old history stays readable. */
  earlierTags: z.record(z.string(), z.string().max(64)).optional(),
  /** Once an emergency summary was prepared. */
  emergency: emergencyDataSchema.optional(),
  /** Random names in studies, each with the salt of its commitment. */
  studies: z
    .record(z.string(), z.strictObject({ pseudonym: z.string().max(64), salt: z.string().max(64) }))
    .optional(),
  guardians: guardiansSchema.optional(),
  recovered: recoveredSchema.optional(),
  /** Cards of representatives: whom a key is of stands here and nowhere else. */
  representatives: z.array(representativeCardSchema).max(64).optional(),
});
export type PatientData = z.infer<typeof patientDataSchema>;

/** A new device on its way to a patient's keys: none of them is here yet. */
export const recoveringDataSchema = z.strictObject({
  enrolment: enrolmentSchema.optional(),
  oneTime: z.array(oneTimeSchema).max(200),
  recovering: z.strictObject({
    recoveryId: z.string().max(64),
    /** PKCS #8, base64url. */
    receivingKey: z.string().max(512),
    /** Once guardians approved: whose keys, by which setup, and the shares that they sealed. */
    approved: z
      .strictObject({
        pseudonym: z.string().max(64),
        setupId: z.string().max(64),
        shares: z
          .array(
            z.strictObject({
              index: z.int().min(0),
              share: z.strictObject({ enc: text, ciphertext: text }),
            }),
          )
          .max(9),
      })
      .optional(),
  }),
});
export type RecoveringData = z.infer<typeof recoveringDataSchema>;

export const clinicianDataSchema = z.strictObject({
  enrolment: enrolmentSchema.optional(),
  /** New keys on their way: made and kept before anybody hears of them. */
  next: z.strictObject({ keys: keysSchema, enrolment: enrolmentSchema.optional() }).optional(),
  /** Keys before the present ones: they open what was sealed to them. */
  former: z.array(keysSchema).max(32).optional(),
});
export type ClinicianData = z.infer<typeof clinicianDataSchema>;

/** Somebody who acts for patients: keys for each, by what the representative calls the patient. */
export const representativeDataSchema = z.strictObject({
  enrolment: enrolmentSchema.optional(),
  oneTime: z.array(oneTimeSchema).max(200),
  clients: z.array(keysSchema.extend({ label: z.string().max(128) })).max(64),
});
export type RepresentativeData = z.infer<typeof representativeDataSchema>;

/** The data of a keystore. Throws `wrong_keystore` where it is empty or of another form. */
export function readData<T>(keystore: Keystore, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(keystore.data);
  if (parsed.success) return parsed.data;
  throw new SdkError('wrong_keystore', `${keystore.path} does not hold what this step needs.`, {
    nextStep: 'Enrol first: `carequorum enrol`.',
    details: { issue: parsed.error.issues[0]?.message },
  });
}

/** Puts data into a keystore; durable after its `save`. */
export function putData(
  keystore: Keystore,
  data: PatientData | RecoveringData | ClinicianData | RepresentativeData,
): void {
  // A round trip through JSON leaves out members that are undefined, as the file would.
  keystore.data = JSON.parse(JSON.stringify(data)) as Keystore['data'];
}
