/** POST /v1/cases/…: notes of cases, and their keys as members sealed them to each other. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { checkHolder, readCapability } from '../../lib/records/capability.ts';
import { RecordsError } from '../../lib/records/errors.ts';
import { digestOfSealed, sealedSchema } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReader } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import type { caseNoteSchema, caseReadSchema, caseSealsSchema } from './case-routes.ts';
import type { RecordsContext } from './context.ts';
import { emptyPartition } from './empty-partition.ts';
import { requireCaseReceipt, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import { requireNotErased } from './tombstones.ts';

/** Items of one answer: with notes of full size it fits the answer of a Lambda. */
const PAGE_ITEMS = 40;
const PAGE_CHARS_MAX = 4_000_000;

const keptNoteSchema = z.strictObject({
  noteId: z.string(),
  sealed: sealedSchema(recordsBounds.caseNoteBytesMax),
});
const keptSealSchema = z.strictObject({
  generation: z.int().min(1),
  version: z.int().min(1),
  sealed: sealedSchema(recordsBounds.caseSealBytesMax),
});

/** Keeps a note: exactly the one that its author registered in the case. */
export async function putCaseNote(
  context: RecordsContext,
  request: HttpRequest,
  { receipt: text, sealed }: z.infer<typeof caseNoteSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireCaseReceipt(context, request, text);
  const permit = readCapability('case-note', receipt.result);
  const { caseId, pseudonym, noteId, generation } = permit;
  requireSameCase(caseId, receipt.header.ledger);
  checkHolder(permit.authorKid, proof.kid);
  await requireNotErased(context.store, { pseudonym });
  if (digestOfSealed(sealed) !== permit.digest) {
    throw new HttpError('share_mismatch', 'This is not the note that the ledger names.');
  }
  await rememberCase(context, pseudonym, caseId);
  const value: z.infer<typeof keptNoteSchema> = { noteId, sealed };
  await context.store.insert(wrapKeys.caseNote(caseId, generation, noteId), value);
  return { status: 200, body: { noteId } };
}

/** Keeps what a member sealed to others; a newer version of the case takes the place of an older. */
export async function putCaseSeals(
  context: RecordsContext,
  request: HttpRequest,
  { receipt: text, seals }: z.infer<typeof caseSealsSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireCaseReceipt(context, request, text);
  const permit = readCapability('case-seal', receipt.result);
  const { caseId, pseudonym, generation, version } = permit;
  requireSameCase(caseId, receipt.header.ledger);
  checkHolder(permit.makerKid, proof.kid);
  await requireNotErased(context.store, { pseudonym });
  const { store } = context;
  for (const { who, sealed } of seals) {
    const digest = digestOfSealed(sealed);
    if (!permit.seals.some((one) => one.who === who && one.digest === digest)) {
      throw new HttpError('share_mismatch', 'This is not a seal that the ledger names.');
    }
  }
  await rememberCase(context, pseudonym, caseId);
  for (const { who, sealed } of seals) {
    const key = wrapKeys.caseSeal(caseId, who, generation);
    const item = await store.get(key);
    const before = item && parseWith(keptSealSchema, item.value);
    if (before && before.version >= version) continue;
    const value: z.infer<typeof keptSealSchema> = { generation, version, sealed };
    const change = { key, expected: item?.version ?? null, value };
    if (!(await store.transact([change]))) throw conflict();
  }
  return { status: 200, body: { caseId, seals: seals.length } };
}

/** What a member may have: seals for it, and notes from its first key on. */
export async function readCase(
  context: RecordsContext,
  request: HttpRequest,
  { receipt: text, after, isClosed }: z.infer<typeof caseReadSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = isClosed
    ? await requireReceipt(context, request, text)
    : await requireCaseReceipt(context, request, text);
  const permit = readCapability('case-read', receipt.result);
  const { caseId, pseudonym, who, from } = permit;
  if (!isClosed) requireSameCase(caseId, receipt.header.ledger);
  requireReader(context, { proof, receipt }, permit);
  await requireNotErased(context.store, { pseudonym });
  const seals = after === undefined ? await sealsFor(context, caseId, who) : [];
  const notes = await notesFrom(context, caseId, after ?? firstOf(from));
  return { status: 200, body: { seals, ...notes } };
}

/** The place before every note that is sealed under a key. */
function firstOf(generation: number): string {
  return wrapKeys.caseNote('', generation, '').sk;
}

async function sealsFor({ store }: RecordsContext, caseId: string, who: string) {
  const { pk } = wrapKeys.caseNote(caseId, 1, '');
  const prefix = wrapKeys.caseSeal(caseId, who, 1).sk.slice(0, -4);
  const seals: Omit<z.infer<typeof keptSealSchema>, 'version'>[] = [];
  let after: string | undefined;
  for (;;) {
    const from = after === undefined ? {} : { after };
    const page = await store.list(pk, { prefix, limit: PAGE_ITEMS, ...from });
    for (const { value } of page) {
      const { generation, sealed } = parseWith(keptSealSchema, value);
      seals.push({ generation, sealed });
    }
    if (page.length < PAGE_ITEMS) return seals;
    after = page.at(-1)?.sk;
  }
}

async function notesFrom({ store }: RecordsContext, caseId: string, after: string) {
  const { pk } = wrapKeys.caseNote(caseId, 1, '');
  const page = await store.list(pk, { prefix: 'note#', after, limit: PAGE_ITEMS });
  const notes: z.infer<typeof keptNoteSchema>[] = [];
  let chars = 0;
  let last = after;
  for (const { sk, value } of page) {
    const note = parseWith(keptNoteSchema, value);
    chars += note.sealed.ciphertext.length + note.sealed.enc.length;
    if (notes.length > 0 && chars > PAGE_CHARS_MAX) return { notes, next: last };
    notes.push(note);
    last = sk;
  }
  return page.length < PAGE_ITEMS ? { notes } : { notes, next: last };
}

/** Forgets everything of a patient's cases. */
export async function forgetCases(context: RecordsContext, pseudonym: string): Promise<void> {
  const { store } = context;
  await emptyPartition(store, wrapKeys.caseOf(pseudonym, '').pk, ({ sk: caseId }) =>
    emptyPartition(store, wrapKeys.caseNote(caseId, 1, '').pk),
  );
}

/** Named first: what nobody finds again could not be deleted. */
async function rememberCase({ store }: RecordsContext, pseudonym: string, caseId: string) {
  await store.insert(wrapKeys.caseOf(pseudonym, caseId), {});
}

/** A ledger speaks for its own case alone. */
function requireSameCase(caseId: string, ledger: string): void {
  if (caseId === ledger) return;
  throw new RecordsError('receipt_wrong_ledger', 'the receipt is of another case ledger');
}
