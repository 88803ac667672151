/** What one person seals to another: file keys, metadata of records, and shares of a grant. */
import { z } from 'zod';
import { concatBytes, fromBase64url, toBase64url, utf8 } from '../lib/crypto/bytes.ts';
import { commit, COMMITMENT_SALT_BYTES } from '../lib/crypto/commitment.ts';
import { taggedHash } from '../lib/crypto/hash.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { randomBytes } from '../lib/crypto/random.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  digestOfSealed,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { bytesField, hashField } from '../lib/wire/fields.ts';
import type { Epoch } from './category-keys.ts';
import { SdkError } from './errors.ts';

/** Length of a file key, in bytes. */
export const FILE_KEY_BYTES = 32;
const SEED_BYTES = 32;
/** Pairs of (category, epoch) whose seeds one share carries. */
export const SHARE_SEEDS_MAX = 2_000;

/** A category key as writers and readers name it. */
export interface CategoryEpoch extends Epoch {
  readonly pseudonym: string;
  readonly categoryTag: string;
}

/** The associated data of a record's file: format, network and record. */
export function fileAad(network: string, recordId: string): Uint8Array {
  return taggedHash('file', utf8('tink-aes256-gcm-hkdf-1mb'), utf8(network), utf8(recordId));
}

const metadataSchema = z.strictObject({
  format: z.literal('carequorum-metadata-1'),
  /** Path as the uploader had it, with `/` between its parts. */
  path: z.string().max(4_096),
  mediaType: z.string().max(255),
  /** True length of the document, bytes. */
  size: z.int().min(0),
  /** Name of the category. */
  category: z.string().max(64),
  /** Commitment to the document, and its salt: wrong keys show before anything else does. */
  commitment: hashField,
  salt: hashField,
});
/** What only those who may read a record learn about it. */
export type RecordMetadata = z.infer<typeof metadataSchema>;

const sealedMetadataSchema = z.strictObject({
  /** Salt of the commitment that the ledger holds. */
  salt: hashField,
  metadata: bytesField(recordsBounds.metadataBytesMax),
});

/** Metadata as it is registered: sealed to the category key, and committed to. */
export interface PreparedMetadata {
  readonly sealed: SealedText;
  /** `metadataCommitment` of the ledger, base64url. */
  readonly commitment: string;
}

export async function sealMetadata(
  metadata: RecordMetadata,
  to: { publicKey: Uint8Array; network: string; recordId: string; epoch: CategoryEpoch },
): Promise<PreparedMetadata> {
  const salt = randomBytes(COMMITMENT_SALT_BYTES);
  const bytes = encodeCbor(metadata);
  const sealed = await hpkeSeal(to.publicKey, {
    info: recordInfo('record-metadata', to),
    aad: new Uint8Array(),
    plaintext: encodeCbor({ salt, metadata: bytes }),
  });
  const commitment = toBase64url(commit('record-metadata', salt, bytes));
  return { sealed: toSealedText(sealed), commitment };
}

/** Opens metadata and compares it with the ledger's commitment. Throws `not_readable`, `mismatch`. */
export async function openMetadata(
  sealed: SealedText,
  by: {
    seed: Uint8Array;
    network: string;
    recordId: string;
    epoch: CategoryEpoch;
    /** `metadataCommitment` of the ledger. */
    commitment: string;
  },
): Promise<RecordMetadata> {
  const info = recordInfo('record-metadata', by);
  const opened = await open(sealed, by.seed, info, `the metadata of ${by.recordId}`);
  const { salt, metadata } = decodeWith(
    sealedMetadataSchema,
    opened,
    recordsBounds.metadataBytesMax,
  );
  if (toBase64url(commit('record-metadata', salt, metadata)) !== by.commitment) {
    throw new SdkError('mismatch', `The metadata of ${by.recordId} is not what was registered.`, {
      nextStep: 'Do not rely on this record; tell the custodian and the uploader.',
      details: { recordId: by.recordId },
    });
  }
  return decodeWith(metadataSchema, metadata, recordsBounds.metadataBytesMax);
}

/** What opens a record's bytes: the uploader's key, and the keys of all layers put on since. */
export interface RecordKeys {
  readonly fileKey: Uint8Array;
  readonly layers: readonly Uint8Array[];
}

/** Keys of a record sealed to the category key, with the digest that the ledger names. */
export async function sealFileKey(
  { fileKey, layers }: RecordKeys,
  to: { publicKey: Uint8Array; network: string; recordId: string; epoch: CategoryEpoch },
): Promise<{ wrap: SealedText; digest: string }> {
  const sealed = await hpkeSeal(to.publicKey, {
    info: recordInfo('file-key', to),
    aad: new Uint8Array(),
    plaintext: concatBytes(fileKey, ...layers),
  });
  return { wrap: toSealedText(sealed), digest: toBase64url(sealedDigest(sealed)) };
}

/** Throws `mismatch` where the wrap is not the registered one, `not_readable` where it is not ours. */
export async function openFileKey(
  wrap: SealedText,
  by: {
    seed: Uint8Array;
    network: string;
    recordId: string;
    epoch: CategoryEpoch;
    /** `wrapDigest` and `generation` of the ledger. */
    digest: string;
    generation: number;
  },
): Promise<RecordKeys> {
  if (digestOfSealed(wrap) !== by.digest) {
    throw new SdkError(
      'mismatch',
      `The key of ${by.recordId} is not the one that was registered.`,
      {
        nextStep: 'Tell the custodian: what it holds is not what the uploader signed for.',
        details: { recordId: by.recordId },
      },
    );
  }
  const what = `the key of ${by.recordId}`;
  const opened = await open(wrap, by.seed, recordInfo('file-key', by), what);
  if (opened.length !== FILE_KEY_BYTES * (1 + by.generation)) {
    throw new SdkError('not_readable', `The keys of ${by.recordId} are not of as many layers.`, {
      nextStep: 'Ask the patient: the record may have come over from old keys only in part.',
      details: { recordId: by.recordId },
    });
  }
  const [fileKey, ...layers] = Array.from({ length: 1 + by.generation }, (_, at) =>
    opened.slice(at * FILE_KEY_BYTES, (at + 1) * FILE_KEY_BYTES),
  );
  return { fileKey: fileKey as Uint8Array, layers };
}

const seedSchema = z.tuple([z.string().max(7), z.int().min(0), bytesField(SEED_BYTES)]);
const shareSchema = z.strictObject({
  format: z.literal('carequorum-share-1'),
  permissionId: z.string().max(64),
  pseudonym: z.string().max(64),
  /** What the patient wants to be called here; may be empty. */
  patient: z.string().max(200),
  /** Only with the right to read. */
  lookupKey: hashField.nullable(),
  /** Only with the right to share: the patient's name in the study, and its commitment's salt. */
  study: z
    .strictObject({ id: z.string().max(64), pseudonym: z.string().max(64), salt: hashField })
    .optional(),
  categories: z
    .array(
      z.strictObject({
        name: z.string().max(64),
        tag: z.string().max(64),
        /** Month, revision and seed; only with the right to read. */
        seeds: z.array(seedSchema).max(SHARE_SEEDS_MAX),
      }),
    )
    .max(32),
});
/** What a grant hands over. */
export type Share = z.infer<typeof shareSchema>;

/** Seals a share to the grantee's encryption key, with the digest that the ledger names. */
export async function sealShare(
  share: Share,
  to: { publicKey: Uint8Array; network: string; grantee: string },
): Promise<{ sealed: SealedText; digest: string }> {
  const plaintext = encodeCbor(shareSchema.parse(share));
  if (plaintext.length > recordsBounds.shareBytesMax - 64) {
    throw new SdkError('bad_input', 'This grant would hand over too many keys at once.', {
      nextStep: 'Grant fewer categories or a shorter time.',
    });
  }
  const info = shareInfo(to.network, share.permissionId, to.grantee);
  const sealed = await hpkeSeal(to.publicKey, { info, aad: new Uint8Array(), plaintext });
  return { sealed: toSealedText(sealed), digest: toBase64url(sealedDigest(sealed)) };
}

/** Opens a share. Whether it is the one that the ledger names is compared by `digestOfSealed`. */
export async function openShare(
  sealed: SealedText,
  by: { seed: Uint8Array; network: string; permissionId: string; grantee: string },
): Promise<Share> {
  const info = shareInfo(by.network, by.permissionId, by.grantee);
  const opened = await open(sealed, by.seed, info, `the share of ${by.permissionId}`);
  return decodeWith(shareSchema, opened, recordsBounds.shareBytesMax);
}

function shareInfo(network: string, permissionId: string, grantee: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'share', subject: permissionId, recipient: grantee });
}

function recordInfo(
  purpose: 'file-key' | 'record-metadata',
  { network, recordId, epoch }: { network: string; recordId: string; epoch: CategoryEpoch },
): Uint8Array {
  const { pseudonym, categoryTag, month, revision } = epoch;
  const recipient = [pseudonym, categoryTag, month, revision].join('/');
  return hpkeInfo({ network, purpose, subject: recordId, recipient });
}

async function open(
  sealed: SealedText,
  seed: Uint8Array,
  info: Uint8Array,
  what: string,
): Promise<Uint8Array> {
  try {
    const enc = fromBase64url(sealed.enc);
    const ciphertext = fromBase64url(sealed.ciphertext);
    return await hpkeOpen(seed, { enc, ciphertext, info, aad: new Uint8Array() });
  } catch (cause) {
    throw new SdkError('not_readable', `This keystore does not open ${what}.`, {
      nextStep: 'It was sealed to another key: ask the patient to grant again.',
      cause,
    });
  }
}
