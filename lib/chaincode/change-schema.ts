/** What operators can change together: the arguments of `governance.propose`, as they are kept. */
import { z } from 'zod';
import { validatorIdField } from '../wire/fields.ts';
import { parametersSchema } from '../wire/parameters.ts';
import { certificateField, kidField, publicKeyText, sessionText, shareKeyText } from './fields.ts';

const sessionField = z.strictObject({ certificate: sessionText });

/** A validator's new keys, exactly as `GET /v1/bootstrap` of its API shows them. */
const bundleFields = {
  validator: validatorIdField,
  kmsKey: publicKeyText,
  session: sessionField,
  read: sessionField,
  shareKey: shareKeyText,
};
export const bundleField = z.strictObject(bundleFields);
export type BundleText = z.infer<typeof bundleField>;

/** A hospital that joins, with the keys of its validator. */
export const newcomerField = z.strictObject({
  ...bundleFields,
  /** No control characters and no halves of pairs: classes that no version of Unicode changes. */
  name: z
    .string()
    .regex(/^[^\p{Cc}\p{Cs}]+$/u)
    .max(128),
  operatorKey: publicKeyText,
  apiUrl: z
    .string()
    .regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+(?:\/[\x21-\x7e]*)?$/)
    .max(512),
});
export type Newcomer = z.infer<typeof newcomerField>;

/** Any parameter but the chaincode's version, which has a kind of its own. */
export const parametersPatch = parametersSchema
  .omit({ chaincodeVersion: true })
  .partial()
  .refine((patch) => Object.keys(patch).length > 0, 'no parameter is named');
export type ParametersPatch = z.infer<typeof parametersPatch>;

export const changeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('add'), newcomer: newcomerField }),
  z.strictObject({ kind: z.literal('remove'), validator: validatorIdField }),
  /** The newcomer takes the seat of a validator that leaves: n stays. */
  z.strictObject({
    kind: z.literal('replace'),
    validator: validatorIdField,
    newcomer: newcomerField,
  }),
  /** Another KMS key, also where the old one is lost. A suspended seat stays so. */
  z.strictObject({ kind: z.literal('replace-key'), keys: bundleField }),
  z.strictObject({
    kind: z.literal('replace-operator'),
    validator: validatorIdField,
    operatorKey: publicKeyText,
  }),
  /** Ends a suspension, under a new incarnation. */
  z.strictObject({ kind: z.literal('reinstate'), keys: bundleField }),
  z.strictObject({ kind: z.literal('parameters'), set: parametersPatch }),
  z.strictObject({
    kind: z.literal('chaincode'),
    version: parametersSchema.shape.chaincodeVersion,
  }),
  /** Another key of the membership service. What the old one issued counts until it runs out. */
  z.strictObject({
    kind: z.literal('authority'),
    /** Self-signed by the new key, as `GET /v1/bootstrap` of the service shows it. */
    certificate: certificateField,
    /** The old key is in wrong hands: nothing of it counts from here on. */
    compromised: z.boolean(),
  }),
  /** A retired key of the membership service turned out to be in wrong hands. */
  z.strictObject({ kind: z.literal('drop-authority'), kid: kidField }),
]);
export type Change = z.infer<typeof changeSchema>;
