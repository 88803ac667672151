/** What the wrap store knows of a record: from the opened upload to the certified storage. */

import { z } from 'zod';
import { sealedSchema } from '../../lib/records/sealed.ts';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { ItemChange, ItemStore } from '../aws/item-store.ts';
import { HttpError } from '../aws/problems.ts';
import { announcedSchema } from './certify.ts';

/** A layer that a rotation puts on: under way, or done and not yet taken note of by the patient. */
const layeringSchema = z.strictObject({
  /** The pseudonym that the patient rotates to. */
  to: z.string(),
  step: z.enum(['open', 'joined', 'committed']),
  generation: z.int().min(1),
  objectKey: z.string(),
  uploadId: z.string(),
  /** The layer's key, sealed to the patient: the custodian keeps it in no other form. */
  sealed: sealedSchema(recordsBounds.wrapBytesMax),
  keyCheck: z.string(),
  /** Of the parts that are there. */
  checksums: z.instanceof(Uint8Array),
  etags: z.array(z.string()),
  announced: announcedSchema.nullable(),
  /** Bytes that have to be deleted still. */
  oldKey: z.string().nullable(),
});
export type Layering = z.infer<typeof layeringSchema>;

export const recordStateSchema = z.strictObject({
  recordId: z.string(),
  /** `verified`: the bytes are there and right; `stored`: the ledger says so too. */
  status: z.enum(['open', 'verified', 'stored']),
  pseudonym: z.string(),
  categoryTag: z.string(),
  dataMonth: z.string(),
  /** As registered, base64url. */
  digest: z.string(),
  /** Layers that rotations put on the bytes, and the digest of the bytes as they are. */
  generation: z.int().min(0),
  objectDigest: z.string(),
  layering: layeringSchema.nullable(),
  /** Of the ciphertext, bytes. */
  length: z.int(),
  uploaderKid: z.string(),
  /** Random name of the object, which identifies nobody. */
  objectKey: z.string(),
  uploadId: z.string(),
  /** SHA-256 of all parts, one after the other. */
  checksums: z.instanceof(Uint8Array),
  /** Entity tags of the parts once they are joined. */
  etags: z.array(z.string()).nullable(),
  /** The `record.stored` that was signed last. */
  announced: announcedSchema.nullable(),
});
export type RecordState = z.infer<typeof recordStateSchema>;

export interface StoredState {
  state: RecordState;
  version: number;
}

export async function findRecord(
  store: Pick<ItemStore, 'get'>,
  recordId: string,
): Promise<StoredState | null> {
  const item = await store.get(wrapKeys.record(recordId));
  return item && { state: parseWith(recordStateSchema, item.value), version: item.version };
}

/** The record of an upload, for its uploader alone. Throws HttpError `unknown_record`. */
export async function requireUpload(
  store: ItemStore,
  recordId: string,
  uploaderKid: string,
): Promise<StoredState> {
  const found = await findRecord(store, recordId);
  if (found?.state.uploaderKid === uploaderKid) return found;
  throw unknownRecord();
}

/** What opens a record. */
export const sealedPartsSchema = z.strictObject({
  wrap: sealedSchema(recordsBounds.wrapBytesMax),
  sealedMetadata: sealedSchema(recordsBounds.metadataBytesMax),
});
export type SealedParts = z.infer<typeof sealedPartsSchema>;

/** What opens a record: its wrap and sealed metadata. Throws HttpError `unknown_record`. */
export async function requireSealed(
  store: Pick<ItemStore, 'get'>,
  recordId: string,
): Promise<SealedParts> {
  const sealed = await findSealed(store, recordId);
  if (!sealed) throw unknownRecord();
  return sealed;
}

/** As `requireSealed`, or null where something of it is gone. */
export async function findSealed(
  store: Pick<ItemStore, 'get'>,
  recordId: string,
): Promise<SealedParts | null> {
  const [wrap, metadata] = await Promise.all([
    store.get(wrapKeys.wrap(recordId)),
    store.get(wrapKeys.metadata(recordId)),
  ]);
  if (!wrap || !metadata) return null;
  return {
    wrap: parseWith(sealedSchema(recordsBounds.wrapBytesMax), wrap.value),
    sealedMetadata: parseWith(sealedSchema(recordsBounds.metadataBytesMax), metadata.value),
  };
}

/** Replaces the state, or throws HttpError `conflict` where another run was first. */
export async function saveState(
  store: ItemStore,
  { version }: StoredState,
  state: RecordState,
): Promise<StoredState> {
  if (!(await store.replace(wrapKeys.record(state.recordId), version, state))) throw conflict();
  return { state, version: version + 1 };
}

/** Writes of what opens a record, and of its place in the list, over whatever is there. */
export async function sealedChanges(
  store: ItemStore,
  record: Pick<RecordState, 'recordId' | 'pseudonym' | 'categoryTag' | 'dataMonth'>,
  { wrap, sealedMetadata }: SealedParts,
): Promise<ItemChange[]> {
  const { recordId, pseudonym, categoryTag, dataMonth } = record;
  const values = [
    { key: wrapKeys.wrap(recordId), value: wrap },
    { key: wrapKeys.metadata(recordId), value: sealedMetadata },
    {
      key: wrapKeys.listed(pseudonym, categoryTag, recordId),
      value: { recordId, categoryTag, dataMonth },
    },
  ];
  return Promise.all(
    values.map(async ({ key, value }) => {
      return { key, expected: (await store.get(key))?.version ?? null, value };
    }),
  );
}

export function conflict(): HttpError {
  return new HttpError('conflict', 'Another request came first; send it again.', {
    retryAfterSeconds: 1,
  });
}

export function unknownRecord(): HttpError {
  return new HttpError('unknown_record', 'The custodian has no such record for this key.');
}
