/** Enrolments as they are stored, and the keys of their items. */

import { z } from 'zod';
import { roleSchema } from '../../lib/membership/roles.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { ItemKey, ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';

const bytes = z.instanceof(Uint8Array);

export const enrolmentSchema = z.strictObject({
  id: z.string(),
  role: roleSchema,
  /** Thumbprint of the signing key. */
  kid: z.string(),
  signingKey: bytes,
  encryptionKey: bytes,
  /** Sealed by the vault: name, number, licence, birth date. */
  identity: bytes,
  hospital: z.string().nullable(),
  isInvited: z.boolean(),
  status: z.enum(['challenged', 'pending', 'active', 'refused', 'revoked']),
  /** Why it is pending. */
  reason: z.enum(['registry_unavailable', 'review']).nullable(),
  /** SHA-256 of the answer that is waited for. */
  challenge: z.strictObject({ digest: bytes, expiresAt: z.int(), attempts: z.int() }).nullable(),
  /** Random name of the person in certificates and on the ledger. */
  subject: z.string(),
  certificate: bytes.nullable(),
  createdAt: z.int(),
  revoked: z.strictObject({ at: z.int(), reason: z.string(), by: z.string() }).nullable(),
  /** Enrolment of the same person whose key this one takes over. */
  predecessor: z.string().nullable(),
  /** What a certified self-query said: verdict, day and a keyed digest of its number alone. */
  selfQuery: z
    .strictObject({
      verdict: z.enum(['clear', 'reports']),
      searchedAt: z.int(),
      digest: z.string(),
    })
    .nullable(),
  /** When a registry first did not confirm it any more. */
  doubtedAt: z.int().nullable(),
});
export type Enrolment = z.infer<typeof enrolmentSchema>;

/** What the vault seals. */
export const identitySchema = z.strictObject({
  name: z.string().min(1).max(200),
  npi: z
    .string()
    .regex(/^\d{10}$/)
    .optional(),
  /** State of the licence, two letters. */
  state: z
    .string()
    .regex(/^[A-Za-z]{2}$/)
    .optional(),
  licence: z.string().min(1).max(64).optional(),
  /** Id of the validator whose hospital answers for the person. */
  hospital: z.string().min(2).max(16).optional(),
  birthDate: z.iso.date().optional(),
});
export type Identity = z.infer<typeof identitySchema>;

export const itemKeys = {
  enrolment: (id: string): ItemKey => ({ pk: `enrolment#${id}`, sk: 'state' }),
  /** The enrolment of a signing key. */
  kid: (kid: string): ItemKey => ({ pk: `kid#${kid}`, sk: 'enrolment' }),
  /** The one active enrolment of a person or number, by keyed digest. */
  person: (digest: string): ItemKey => ({ pk: `person#${digest}`, sk: 'enrolment' }),
  /** Active clinicians of a name, by keyed digest. */
  name: (digest: string, id: string): ItemKey => ({ pk: `name#${digest}`, sk: id }),
  /** Enrolments that wait for the registry. */
  pending: (id: string): ItemKey => ({ pk: 'pending', sk: id }),
  /** The newest enrolment of a subject. */
  subject: (subject: string): ItemKey => ({ pk: `subject#${subject}`, sk: 'enrolment' }),
  /** Active clinicians: whom the schedule looks up again. */
  checked: (id: string): ItemKey => ({ pk: 'checked', sk: id }),
  /** Subjects whose end the ledger has not confirmed yet. */
  lapsing: (subject: string): ItemKey => ({ pk: 'lapsing', sk: subject }),
  /** Who got a one-time certificate, by keyed digest of its serial number. */
  trace: (digest: string): ItemKey => ({ pk: `trace#${digest}`, sk: 'enrolment' }),
  /** What the holder of an enrolment is told at the next login. */
  notice: (id: string, unmaskId: string): ItemKey => ({ pk: `notice#${id}`, sk: unmaskId }),
  /** The card that a patient carries, sealed. */
  card: (id: string): ItemKey => ({ pk: `card#${id}`, sk: 'handle' }),
  /** A used request. */
  nonce: (kid: string, nonce: string): ItemKey => ({ pk: `nonce#${kid}`, sk: nonce }),
} as const;

export interface StoredEnrolment {
  enrolment: Enrolment;
  version: number;
}

/** An enrolment with its version. Throws HttpError `unknown_enrolment`. */
export async function requireEnrolment(store: ItemStore, id: string): Promise<StoredEnrolment> {
  const item = await store.get(itemKeys.enrolment(id));
  if (!item) throw new HttpError('unknown_enrolment', 'There is no such enrolment.');
  return { enrolment: parseWith(enrolmentSchema, item.value), version: item.version };
}

const pointerSchema = z.strictObject({ id: z.string() });

/** The id that an index item names, with the item's version. */
export async function findPointer(
  store: ItemStore,
  key: ItemKey,
): Promise<{ id: string; version: number } | null> {
  const item = await store.get(key);
  return item && { id: parseWith(pointerSchema, item.value).id, version: item.version };
}
