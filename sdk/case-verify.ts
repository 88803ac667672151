/** Whether the file of a case holds, by the genesis document alone: nothing here asks anybody. */
import { z } from 'zod';
import { equalBytes, fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { decodeReceipt } from '../lib/ledger/receipt.ts';
import { type VerifiedReceipt, verifyReceipt } from '../lib/ledger/verify-receipt.ts';
import { decodeWith } from '../lib/wire/codec.ts';
import type { Genesis } from '../lib/wire/genesis.ts';
import { type BlockHeader, headerHash, headerSchema } from '../lib/wire/header.ts';
import { MAIN_LEDGER } from '../lib/wire/ledger.ts';
import type { CaseExport } from './case-export.ts';
import { headersOf, seedsOf } from './case-export.ts';
import { type CaseText, openNote } from './case-reading.ts';
import { SdkError } from './errors.ts';

const HEADER_BYTES_MAX = 16_384;

const named = z.looseObject({ fn: z.string() });
const openedValue = z.looseObject({ fn: z.literal('case.open'), caseId: z.string() });
const closedValue = z.looseObject({
  fn: z.literal('case.close'),
  caseId: z.string(),
  height: z.int(),
  headerHash: z.string(),
});
const dischargedValue = z.looseObject({
  fn: z.literal('case.discharge'),
  notes: z.int(),
  questions: z.int(),
  entries: z.int(),
});
const noteValue = z.looseObject({
  fn: z.enum(['case.note', 'case.opinion', 'case.question']),
  noteId: z.string(),
  author: z.string(),
  generation: z.int(),
  digest: z.string(),
});
const outcomeValue = z.looseObject({
  fn: z.enum(['case.vote', 'case.settle']),
  questionId: z.string(),
  status: z.enum(['open', 'attending', 'decided', 'unsettled']),
  option: z.int().nullable(),
  by: z.string().nullable(),
});

/** A note, opinion or question, as the ledger has it, with what it says where it opens. */
export interface VerifiedNote {
  readonly noteId: string;
  readonly fn: 'case.note' | 'case.opinion' | 'case.question';
  readonly author: string;
  readonly time: number;
  readonly height: number;
  readonly said: CaseText | null;
}

export interface VerifiedCase {
  readonly caseId: string;
  /** Of the block of the case ledger that the main ledger anchors. */
  readonly anchor: { readonly height: number; readonly headerHash: string };
  readonly notes: readonly VerifiedNote[];
  /** How each question ended. */
  readonly questions: readonly {
    readonly questionId: string;
    readonly option: number | null;
    readonly by: string;
  }[];
  /** Changes of members and keys, votes, reads and the rest. */
  readonly entries: number;
}

/** Throws `not_proven` with the step that fails. */
export async function verifyCase(file: CaseExport, genesis: Genesis): Promise<VerifiedCase> {
  const { caseId } = file;
  const opened = await receipt(file.opened, genesis, 'that the case was opened', MAIN_LEDGER);
  const opening = openedValue.safeParse(opened.result.value);
  if (opened.result.id !== caseId || !opening.success || opening.data.caseId !== caseId) {
    throw broken('the first receipt does not open this case');
  }
  const closed = await receipt(file.closed, genesis, 'that the case was closed', MAIN_LEDGER);
  const closing = closedValue.safeParse(closed.result.value);
  if (!closing.success || closing.data.caseId !== caseId) {
    throw broken('the second receipt does not close this case');
  }
  const anchor = { height: closing.data.height, headerHash: closing.data.headerHash };
  requireChain(file, { anchor, opening: opened.header });
  const entries = await caseEntries(file, genesis, anchor);
  const counts = requireComplete(entries, anchor);
  const notes = await openedNotes(file, entries);
  return { caseId, anchor, notes, questions: outcomes(entries), entries: counts.entries };
}

interface Entry {
  verified: VerifiedReceipt;
  index: number;
  fn: string;
}

/** Each is certified, of this case ledger, and no later than the anchor. */
async function caseEntries(
  { caseId, receipts }: CaseExport,
  genesis: Genesis,
  anchor: VerifiedCase['anchor'],
): Promise<Entry[]> {
  const ids = new Set<string>();
  const entries: Entry[] = [];
  for (const [at, text] of receipts.entries()) {
    const verified = await receipt(text, genesis, `receipt ${at + 1}`, caseId);
    const { id, value } = verified.result;
    if (ids.has(id)) throw broken(`receipt ${at + 1} is there twice`);
    ids.add(id);
    if (verified.height > anchor.height) throw broken(`receipt ${at + 1} is above the anchor`);
    const { index } = decodeReceipt(fromBase64url(text));
    entries.push({ verified, index, fn: named.parse(value).fn });
  }
  return entries.sort((a, b) => a.verified.height - b.verified.height || a.index - b.index);
}

/** The chain of headers from the block that opened the case to the one that is anchored. */
function requireChain(
  { caseId, receipts, headers }: CaseExport,
  { anchor, opening }: { anchor: VerifiedCase['anchor']; opening: BlockHeader },
): void {
  const known = headersOf(receipts.map(fromBase64url));
  for (const text of headers) {
    const bytes = fromBase64url(text);
    const { height } = headerOf(bytes);
    if (!known.has(height)) known.set(height, bytes);
  }
  let wanted: Uint8Array = fromBase64url(anchor.headerHash);
  for (let height = anchor.height; height >= 0; height -= 1) {
    const bytes = known.get(height);
    if (!bytes) throw broken(`the header of block ${height} is missing`);
    const header = headerOf(bytes);
    const isNext = header.ledger === caseId && equalBytes(headerHash(header), wanted);
    if (!isNext) throw broken(`block ${height} is not the one that the anchor leads to`);
    wanted = header.previousHash;
    const isStart = header.pin && equalBytes(header.pin.hash, headerHash(opening));
    if (height === 0 && !isStart) throw broken('the case does not start where it was opened');
  }
}

function headerOf(bytes: Uint8Array): BlockHeader {
  try {
    return decodeWith(headerSchema, bytes, HEADER_BYTES_MAX);
  } catch {
    throw broken('a header cannot be read');
  }
}

/** The anchored block says how much there is: nothing is left out, and nothing was put in. */
function requireComplete(entries: readonly Entry[], anchor: VerifiedCase['anchor']) {
  const last = entries.findLast(({ fn }) => fn === 'case.discharge');
  const value = dischargedValue.safeParse(last?.verified.result.value);
  const hash = last && toBase64url(headerHash(last.verified.header));
  if (!value.success || hash !== anchor.headerHash) {
    throw broken('the anchored block does not say that the patient was discharged');
  }
  const before = entries.slice(0, entries.indexOf(last as Entry) + 1);
  const isNote = ({ fn }: Entry): boolean => fn === 'case.note' || fn === 'case.opinion';
  const notes = before.filter(isNote).length;
  const questions = before.filter(({ fn }) => fn === 'case.question').length;
  const counted = { notes, questions, entries: before.length - notes };
  const { data } = value;
  for (const what of ['notes', 'questions', 'entries'] as const) {
    if (counted[what] !== data[what]) {
      throw broken(`it holds ${counted[what]} ${what}, and the ledger has ${data[what]}`);
    }
  }
  return counted;
}

async function openedNotes(file: CaseExport, entries: readonly Entry[]): Promise<VerifiedNote[]> {
  const sealed = new Map(file.notes.map((one) => [one.noteId, one.sealed]));
  const by = { network: file.network, caseId: file.caseId, seeds: seedsOf(file), sealed };
  const found: VerifiedNote[] = [];
  for (const { verified } of entries) {
    const note = noteValue.safeParse(verified.result.value);
    if (!note.success) continue;
    const { noteId, fn, author } = note.data;
    const { said } = await openNote(noteId, note.data, by);
    found.push({ noteId, fn, author, time: verified.time, height: verified.height, said });
  }
  return found;
}

function outcomes(entries: readonly Entry[]): VerifiedCase['questions'] {
  const found = new Map<string, { questionId: string; option: number | null; by: string }>();
  for (const { verified } of entries) {
    const value = outcomeValue.safeParse(verified.result.value);
    if (!value.success || value.data.by === null) continue;
    const { questionId, option, by } = value.data;
    found.set(questionId, { questionId, option, by });
  }
  return [...found.values()];
}

async function receipt(
  text: string,
  genesis: Genesis,
  what: string,
  ledger: string,
): Promise<VerifiedReceipt> {
  const verified = await verifyReceipt(fromBase64url(text), genesis).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : 'malformed';
    throw broken(`${what}: ${why}`, cause);
  });
  const isRight = verified.header.ledger === ledger && verified.result.status === 'COMMITTED';
  if (!isRight) throw broken(`${what}: of another ledger, or a refusal`);
  return verified;
}

function broken(why: string, cause: unknown = null): SdkError {
  return new SdkError('not_proven', `The file of the case does not hold: ${why}.`, {
    nextStep: 'Do not rely on it: it was altered, damaged, or is of another network.',
    ...(cause === null ? {} : { cause }),
  });
}
