/** What the custodian keeps of rotations: who rotates where to, and who that is. */

import { z } from 'zod';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';

/** No patient has as many pseudonyms: the ledger bounds them. */
const CHAIN_MAX = 64;

const rotatedSchema = z.strictObject({ to: z.string() });
export const rotationSchema = z.strictObject({
  from: z.string(),
  ownerKid: z.string(),
  sealingKey: z.instanceof(Uint8Array),
});
export type RotationState = z.infer<typeof rotationSchema>;

/** Throws HttpError `patient_rotated` once the patient has another pseudonym. */
export async function requireNotRotated(store: ItemStore, pseudonym: string): Promise<void> {
  if ((await store.get(wrapKeys.rotated(pseudonym))) === null) return;
  throw new HttpError('patient_rotated', 'The patient has new keys; nothing goes by the old ones.');
}

/** The rotation to a pseudonym, for its owner alone. Throws HttpError `unknown_rotation`. */
export async function requireRotation(
  store: ItemStore,
  pseudonym: string,
  kid: string,
): Promise<RotationState> {
  const item = await store.get(wrapKeys.rotation(pseudonym));
  const rotation = item && parseWith(rotationSchema, item.value);
  if (rotation?.ownerKid === kid) return rotation;
  throw new HttpError('unknown_rotation', 'The custodian knows no such rotation of this key.');
}

/** Who owns what a pseudonym went to, or null where it is the newest. */
export async function findSuccessor(
  store: ItemStore,
  pseudonym: string,
): Promise<RotationState | null> {
  const item = await store.get(wrapKeys.rotated(pseudonym));
  if (!item) return null;
  const next = await store.get(wrapKeys.rotation(parseWith(rotatedSchema, item.value).to));
  return next && parseWith(rotationSchema, next.value);
}

/** Whether rotations led from one pseudonym to another. */
export async function leadsTo(store: ItemStore, from: string, to: string): Promise<boolean> {
  let at = from;
  for (let step = 0; step < CHAIN_MAX && at !== to; step += 1) {
    const item = await store.get(wrapKeys.rotated(at));
    if (!item) return false;
    at = parseWith(rotatedSchema, item.value).to;
  }
  return at === to;
}
