/** What travels sealed in a study: rows to the coordinator, rows and data to the researcher. */
import { z } from 'zod';
import { toBase64url } from '../crypto/bytes.ts';
import { commit } from '../crypto/commitment.ts';
import { decodeWith, encodeCbor } from '../wire/codec.ts';
import { bytesField, hashField } from '../wire/fields.ts';

/** Characters of cleaned data, once it is no longer compressed. */
const CONTENT_CHARS_MAX = 8 * 1024 * 1024;
const ROW_BYTES_MAX = 4 * 1024;

const sexField = z.enum(['male', 'female', 'other']).nullable();
const study = z.string().max(64);
const pseudonym = z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/);
const year = z.int().min(1_800).max(2_200);

/** One release as it is counted. */
const rowSchema = z.strictObject({
  format: z.literal('carequorum-release-row-1'),
  study,
  pseudonym,
  /** Opens the patient's commitment to the pseudonym. */
  pseudonymSalt: hashField,
  quasi: z.strictObject({
    birthYear: year.nullable(),
    sex: sexField,
    postcode: z
      .string()
      .regex(/^\d{3}$/)
      .nullable(),
  }),
  /** Of the findings of the study, those that the record has. */
  sensitive: z.array(z.string().max(128)).max(32),
});
export type ReleaseRow = z.infer<typeof rowSchema>;

const sealedRowSchema = z.strictObject({ salt: hashField, row: bytesField(ROW_BYTES_MAX) });

/** The row as it is sealed, and the commitment that the ledger holds. */
export function packRow(
  row: ReleaseRow,
  salt: Uint8Array,
): { bytes: Uint8Array; commitment: string } {
  const inner = encodeCbor(rowSchema.parse(row));
  return {
    bytes: encodeCbor({ salt, row: inner }),
    commitment: toBase64url(commit('release-row', salt, inner)),
  };
}

/** Throws what a codec throws; the caller compares the commitment with the ledger's. */
export function unpackRow(bytes: Uint8Array): { row: ReleaseRow; commitment: string } {
  const { salt, row } = decodeWith(sealedRowSchema, bytes, 2 * ROW_BYTES_MAX);
  return {
    row: decodeWith(rowSchema, row, ROW_BYTES_MAX),
    commitment: toBase64url(commit('release-row', salt, row)),
  };
}

const boxSchema = z.strictObject({
  birthYear: z.tuple([year, year]).nullable(),
  sex: sexField,
  postcode: z
    .string()
    .regex(/^\d{1,3}$/)
    .nullable(),
});

/** One patient of a publication, as the researcher gets to know the one. */
const publishedRowSchema = z.strictObject({
  format: z.literal('carequorum-published-row-1'),
  study,
  batch: z.int().min(1),
  classId: z.int().min(1),
  pseudonym,
  pseudonymSalt: hashField,
  /** The same for everybody of the class; null where an earlier publication told it. */
  box: boxSchema.nullable(),
});
export type PublishedRow = z.infer<typeof publishedRowSchema>;

export function packPublishedRow(row: PublishedRow): Uint8Array {
  return encodeCbor(publishedRowSchema.parse(row));
}

export function unpackPublishedRow(bytes: Uint8Array): PublishedRow {
  return decodeWith(publishedRowSchema, bytes, ROW_BYTES_MAX);
}

/** Cleaned data of one record. */
const payloadSchema = z.strictObject({
  format: z.literal('carequorum-release-1'),
  study,
  kind: z.enum(['fhir', 'dicom', 'c-cda']),
  /** JSON. */
  content: z.string().max(CONTENT_CHARS_MAX),
  omitted: z.array(z.strictObject({ what: z.string().max(200), count: z.int().min(1) })).max(500),
});
export type ReleasePayload = z.infer<typeof payloadSchema>;

/** Compressed: codes and words of FHIR repeat. */
export async function packPayload(payload: ReleasePayload): Promise<Uint8Array> {
  const bytes = encodeCbor(payloadSchema.parse(payload));
  return piped(bytes, new CompressionStream('gzip'), Infinity);
}

/** Throws RangeError where it would grow beyond its bound. */
export async function unpackPayload(bytes: Uint8Array): Promise<ReleasePayload> {
  const bound = 4 * CONTENT_CHARS_MAX;
  const plain = await piped(bytes, new DecompressionStream('gzip'), bound);
  return decodeWith(payloadSchema, plain, bound);
}

async function piped(
  bytes: Uint8Array,
  through: CompressionStream | DecompressionStream,
  bytesMax: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const source = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(through);
  for await (const chunk of source) {
    length += chunk.length;
    if (length > bytesMax) throw new RangeError('it is larger than a release may be');
    chunks.push(chunk);
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
