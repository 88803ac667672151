/** Values of state about copies at hospitals and about erasure (design §7, §9). */
import { z } from 'zod';
import { limits } from '../limits.ts';
import { heightField, timeField, transactionIdField, validatorIdField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, kidField } from './fields.ts';

/** The custodian among those who hold something of a record; hospitals have their ids. */
export const CUSTODIAN_PARTY = 'records';

const momentSchema = z.strictObject({ time: timeField, height: heightField });
const heldSchema = z.strictObject({ hospital: validatorIdField, since: momentSchema });

/** Hospitals that were let to copy a patient's records and have not said that all is deleted. */
export const copiersSchema = z.array(heldSchema).max(chaincodeBounds.copiersMax);

export type Copier = z.infer<typeof heldSchema>;

/** Hospitals that say that they hold these bytes of a record. */
export const copiesSchema = z
  .array(heldSchema.extend({ digest: digestField }))
  .max(chaincodeBounds.copiersMax);

/** Hospitals that a patient chose to hold copies of everything. */
export const chosenSchema = z.strictObject({
  hospitals: z.array(validatorIdField).max(limits.validatorsMax),
  since: momentSchema,
});

/** An erasure: who must destroy what they hold, and who said that they did. */
export const erasureSchema = z.strictObject({
  ordered: momentSchema,
  transaction: transactionIdField,
  /** `records`, and hospitals. */
  holders: z.array(validatorIdField).max(chaincodeBounds.holdersMax),
  acknowledged: z
    .array(
      z.strictObject({
        party: validatorIdField,
        kid: kidField,
        transaction: transactionIdField,
        at: momentSchema,
      }),
    )
    .max(chaincodeBounds.holdersMax),
});
export type Erasure = z.infer<typeof erasureSchema>;
