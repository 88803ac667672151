/** Values of the authority that certifies people: the key in force, and those that retired. */
import { z } from 'zod';
import { bytesField, publicKeyField, timeField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { kidField } from './fields.ts';
import { momentSchema } from './values.ts';

export const authoritySchema = z.strictObject({
  certificate: bytesField(chaincodeBounds.certificateBytesMax),
  publicKey: publicKeyField,
  kid: kidField,
});
export type Authority = z.infer<typeof authoritySchema>;

const formerAuthoritySchema = z.strictObject({
  publicKey: publicKeyField,
  kid: kidField,
  ended: momentSchema,
  /** Last moment at which a certificate of it counts; null where the key is in wrong hands. */
  countsUntil: timeField.nullable(),
});
export type FormerAuthority = z.infer<typeof formerAuthoritySchema>;

/** Newest last; whatever drops out of the list counts no more. */
export const formerAuthoritiesSchema = z
  .array(formerAuthoritySchema)
  .max(chaincodeBounds.formerAuthoritiesMax);
