/** Reading a case: a receipt that the case records, what it opens, and what the ledger says of it. */
import { z } from 'zod';
import { toBase64url, u32be } from '../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { padmeLength } from '../lib/crypto/padme.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  digestOfSealed,
  fromSealedText,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { caseList, type CaseNote, type CasePerson, type CaseQuestion } from './case-data.ts';
import { type CaseSeeds, openSeals } from './case-seals.ts';
import { SdkError } from './errors.ts';
import type { CertifiedResult } from './proofs.ts';
import { isStaleReceipt, reasonOf } from './http.ts';

const FORMAT = 'carequorum-case-note-1';
/** Characters of one text. */
export const CASE_TEXT_CHARS_MAX = 12_000;
const READS_MAX = 3;

const plainSchema = z.strictObject({
  format: z.literal(FORMAT),
  kind: z.enum(['note', 'opinion', 'question', 'handover', 'discharge']),
  text: z.string().max(CASE_TEXT_CHARS_MAX),
  /** What there is to choose from, of a question. */
  options: z.array(z.string().max(200)).max(8),
  /** Hides how long the text is. */
  padding: z.instanceof(Uint8Array),
});
/** What a note says. */
export type CaseText = Omit<z.infer<typeof plainSchema>, 'format' | 'padding'>;

/** A note as it was sealed. */
export interface SealedNote {
  readonly noteId: string;
  readonly generation: number;
  readonly sealed: SealedText;
}

/** An entry of the case with what it says; null where it cannot be read, and why. */
export type Opened<T> = T & { readonly said: CaseText | null; readonly reason: string | null };

/** All that a member may read of a case. */
export interface CaseContents {
  readonly caseId: string;
  /** Of the reading itself, as the case has recorded it. */
  readonly access: CertifiedResult;
  readonly seeds: CaseSeeds;
  readonly notes: readonly Opened<CaseNote>[];
  readonly questions: readonly Opened<CaseQuestion>[];
  /** As the custodian gave them, by id. */
  readonly sealed: ReadonlyMap<string, SealedText>;
}

/** Reads everything: the case records that this member did. */
export async function openCase(person: CasePerson, caseId: string): Promise<CaseContents> {
  const { access, seals, notes: kept } = await fetchCase(person, caseId);
  const keys = await caseList(person, caseId, 'case.keys');
  const seeds = await openSeals(person, caseId, seals, keys);
  const sealed = new Map(kept.map((one) => [one.noteId, one.sealed]));
  const network = person.session.client.name;
  const open = { network, caseId, seeds, sealed };
  const notes: Opened<CaseNote>[] = [];
  for (const note of await caseList(person, caseId, 'case.notes')) {
    notes.push({ ...note, ...(await openNote(note.noteId, note, open)) });
  }
  const questions: Opened<CaseQuestion>[] = [];
  for (const question of await caseList(person, caseId, 'case.questions')) {
    questions.push({ ...question, ...(await openNote(question.id, question, open)) });
  }
  return { caseId, access, seeds, notes, questions, sealed };
}

interface Fetched {
  access: CertifiedResult;
  seals: { generation: number; sealed: SealedText }[];
  notes: { noteId: string; sealed: SealedText }[];
}

/** By a receipt of the case; of a closed one, by the main ledger. */
async function fetchCase(person: CasePerson, caseId: string): Promise<Fetched> {
  const { session, key } = person;
  for (let attempt = 1; ; attempt += 1) {
    const { access, isClosed } = await askToRead(person, caseId);
    try {
      const permit = { key, receipt: access.receipt };
      return { access, ...(await session.custodian.caseContents(permit, isClosed)) };
    } catch (error) {
      // A case at rest is certified by validators of before: its next block is of those of now.
      if (!isStaleReceipt(error) || isClosed || attempt >= READS_MAX) throw error;
    }
  }
}

/**
 * Makes a block that pins the validators of now, before something that the custodian has to take: the
 * first block after a rest is certified by those of before, whose word it takes for a day.
 */
export async function wakeCase({ session, signer }: CasePerson, caseId: string): Promise<void> {
  await session.client.submit({ fn: 'case.read', args: {}, ledger: caseId }, signer);
}

async function askToRead(person: CasePerson, caseId: string) {
  const { client } = person.session;
  try {
    const call = { fn: 'case.read', args: {}, ledger: caseId };
    return { access: await client.submit(call, person.signer), isClosed: false };
  } catch (error) {
    if (reasonOf(error) !== 'case_closed') throw error;
    const call = { fn: 'case.reread', args: { caseId } };
    return { access: await client.submit(call, person.signer), isClosed: true };
  }
}

interface Named {
  generation: number;
  digest: string;
}

/** What a note of the ledger says, as far as seeds and sealed texts go. */
export async function openNote(
  noteId: string,
  { generation, digest }: Named,
  {
    network,
    caseId,
    seeds,
    sealed,
  }: {
    network: string;
    caseId: string;
    seeds: CaseSeeds;
    sealed: ReadonlyMap<string, SealedText>;
  },
): Promise<{ said: CaseText | null; reason: string | null }> {
  const unread = (reason: string) => ({ said: null, reason });
  const text = sealed.get(noteId);
  const seed = seeds.get(generation);
  if (!seed) return unread('it was written before you joined, and its key was not given to you');
  if (!text) return unread('the custodian has nothing of it');
  if (digestOfSealed(text) !== digest) return unread('the custodian has another text of it');
  try {
    const opened = await hpkeOpen(seed, {
      ...fromSealedText(text),
      info: noteInfo(network, caseId, noteId),
      aad: u32be(generation),
    });
    const {
      kind,
      text: said,
      options,
    } = decodeWith(plainSchema, opened, recordsBounds.caseNoteBytesMax);
    return { said: { kind, text: said, options }, reason: null };
  } catch {
    return unread('what its author sealed does not open');
  }
}

/** Seals a text to the members of a generation. Throws `bad_input` where it is too long. */
export async function sealNote(
  said: CaseText,
  {
    network,
    caseId,
    noteId,
    generation,
    publicKey,
  }: {
    network: string;
    caseId: string;
    noteId: string;
    generation: number;
    publicKey: Uint8Array;
  },
): Promise<{ sealed: SealedText; digest: string; size: number }> {
  if (said.text.trim() === '' || said.text.length > CASE_TEXT_CHARS_MAX) {
    throw new SdkError('bad_input', `A note has 1 to ${CASE_TEXT_CHARS_MAX} characters.`, {
      nextStep: 'Shorten it, or write two; a document is uploaded as a record.',
    });
  }
  const plain = (padding: Uint8Array) => encodeCbor({ format: FORMAT, ...said, padding });
  const length = plain(new Uint8Array()).length;
  const plaintext = plain(new Uint8Array(padmeLength(Math.max(256, length)) - length));
  const info = noteInfo(network, caseId, noteId);
  const made = await hpkeSeal(publicKey, { info, aad: u32be(generation), plaintext });
  const size = made.enc.length + made.ciphertext.length;
  return { sealed: toSealedText(made), digest: toBase64url(sealedDigest(made)), size };
}

function noteInfo(network: string, caseId: string, noteId: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'case-note', subject: noteId, recipient: caseId });
}
