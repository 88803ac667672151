/** The emergency summary: what a patient wants strangers in an emergency to know, and who says so. */
import { z } from 'zod';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { escrowBounds } from '../lib/escrow/bounds.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { bytesField, timeField } from '../lib/wire/fields.ts';
import { SdkError } from './errors.ts';

const ENTRIES_MAX = 64;
const TEXT_CHARS_MAX = 400;
/** Summaries are as long as the next multiple of this, so that their size tells little. */
const PAD_BYTES = 4_096;
const PLAINTEXT_BYTES_MAX = escrowBounds.payloadBytesMax - 2 * 1_024;

const personText = z.string().min(1).max(TEXT_CHARS_MAX);

/** Who states something, and when. */
const sourceSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('patient'), time: timeField }),
  z.strictObject({
    by: z.literal('record'),
    recordId: z.string().max(32),
    /** Who uploaded it, as the ledger has it. */
    author: personText,
    time: timeField,
  }),
]);
export type Source = z.infer<typeof sourceSchema>;

const entrySchema = z.strictObject({ text: personText, source: sourceSchema });
export type SummaryEntry = z.infer<typeof entrySchema>;

/**
 * Four things that must never be taken for one another. That none are known takes somebody who says
 * so: it cannot be had from an empty list.
 */
const sectionSchema = z.discriminatedUnion('state', [
  z.strictObject({
    state: z.literal('recorded'),
    entries: z.array(entrySchema).min(1).max(ENTRIES_MAX),
  }),
  z.strictObject({ state: z.literal('none-known'), source: sourceSchema }),
  /** Somebody looked, and the records say nothing either way. */
  z.strictObject({ state: z.literal('nothing-recorded'), source: sourceSchema }),
  z.strictObject({ state: z.literal('not-asked') }),
]);
export type SummarySection = z.infer<typeof sectionSchema>;

export const summarySchema = z.strictObject({
  format: z.literal('carequorum-emergency-1'),
  /** To be compared with the person on the stretcher. */
  person: z.strictObject({ name: z.string().max(200), birthDate: z.string().max(10).nullable() }),
  /** When the patient made it. */
  madeAt: timeField,
  allergies: sectionSchema,
  medicines: sectionSchema,
  conditions: sectionSchema,
});
export type EmergencySummary = z.infer<typeof summarySchema>;

export const sectionNames = ['allergies', 'medicines', 'conditions'] as const;
export type SectionName = (typeof sectionNames)[number];

/** One section in words; the first line is its head. */
export function sectionLines(name: SectionName, section: SummarySection): string[] {
  const head = name.toUpperCase();
  switch (section.state) {
    case 'recorded':
      return [head, ...section.entries.map((one) => `  ${one.text}   [${sourceText(one.source)}]`)];
    case 'none-known':
      return [head, `  None known, says ${sourceText(section.source)}.`];
    case 'nothing-recorded':
      return [
        head,
        `  NOTHING IS RECORDED, says ${sourceText(section.source)}. That is no statement that ` +
          `there are none: ask.`,
      ];
    case 'not-asked':
      return [head, '  NOT ASKED: nothing is known about this either way.'];
  }
}

/** The whole summary in words, allergies first. */
export function summaryLines(summary: EmergencySummary): string[] {
  const { name, birthDate } = summary.person;
  return [
    `Emergency summary of ${name || 'a patient without a name'}` +
      (birthDate === null ? '' : `, born ${birthDate}`),
    `Made by the patient on ${dayText(summary.madeAt)}. Compare name and age with the person.`,
    ...sectionNames.flatMap((one) => ['', ...sectionLines(one, summary[one])]),
  ];
}

/** What is said wherever there is no summary: the one thing that must not be concluded. */
export const NO_SUMMARY_TEXT =
  'No summary was read. This does NOT mean that there are no allergies, medicines or conditions: ' +
  'nothing is known.';

export function sourceText(source: Source): string {
  return source.by === 'patient'
    ? `the patient, ${dayText(source.time)}`
    : `${source.author}, record ${source.recordId}, ${dayText(source.time)}`;
}

const paddedSchema = z.strictObject({
  summary: bytesField(PLAINTEXT_BYTES_MAX),
  padding: bytesField(PAD_BYTES),
});
const sealedSchema = z.strictObject({
  enc: bytesField(1_120),
  ciphertext: bytesField(escrowBounds.payloadBytesMax),
});

interface SummaryPlace {
  readonly network: string;
  readonly pseudonym: string;
}

/** Seals a summary to the X-Wing pair whose seed is the secret in escrow. Throws `bad_input`. */
export async function sealSummary(
  summary: EmergencySummary,
  secret: Uint8Array,
  place: SummaryPlace,
): Promise<Uint8Array> {
  const bytes = encodeCbor(summarySchema.parse(summary));
  if (bytes.length > PLAINTEXT_BYTES_MAX - PAD_BYTES) {
    throw new SdkError('bad_input', 'The emergency summary is too long.', {
      nextStep: 'Leave out what nobody needs in the first minutes.',
    });
  }
  const padding = new Uint8Array(PAD_BYTES - 1 - (bytes.length % PAD_BYTES));
  const { publicKey } = await xWingKeyPair(secret);
  const plaintext = encodeCbor({ summary: bytes, padding });
  const sealed = await hpkeSeal(publicKey, {
    info: infoOf(place),
    aad: new Uint8Array(),
    plaintext,
  });
  return encodeCbor({ enc: sealed.enc, ciphertext: sealed.ciphertext });
}

/** Throws `not_readable` where it is not what this secret was made for. */
export async function openSummary(
  payload: Uint8Array,
  secret: Uint8Array,
  place: SummaryPlace,
): Promise<EmergencySummary> {
  try {
    const sealed = decodeWith(sealedSchema, payload, escrowBounds.payloadBytesMax);
    const opened = await hpkeOpen(secret, {
      ...sealed,
      info: infoOf(place),
      aad: new Uint8Array(),
    });
    const { summary } = decodeWith(paddedSchema, opened, escrowBounds.payloadBytesMax);
    return decodeWith(summarySchema, summary, PLAINTEXT_BYTES_MAX);
  } catch (cause) {
    throw new SdkError('not_readable', `The emergency summary does not open. ${NO_SUMMARY_TEXT}`, {
      nextStep:
        'Treat the patient as one of whom nothing is known, and ask the hospital that treats them.',
      cause,
    });
  }
}

function infoOf({ network, pseudonym }: SummaryPlace): Uint8Array {
  return hpkeInfo({
    network,
    purpose: 'emergency-summary',
    subject: pseudonym,
    recipient: 'escrow',
  });
}

function dayText(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
