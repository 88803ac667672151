/** POST /v1/letters…: what one person seals to another, by an id that the ledger gave out. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { type LetterCapability, readCapability } from '../../lib/records/capability.ts';
import { letterBox } from '../../lib/records/letter-box.ts';
import { digestOfSealed, sealedSchema } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { emptyPartition } from './empty-partition.ts';
import type { fetchLettersSchema, letterSchema, withdrawLettersSchema } from './letter-routes.ts';
import { requireCaller, requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import { requireNotRotated } from './rotation-state.ts';
import { requireNotErased } from './tombstones.ts';

const PAGE_ITEMS = 50;
const ATTEMPTS_MAX = 4;

/** Who may fetch a letter; nobody once it is taken back, whatever is brought afterwards. */
const stateSchema = z.strictObject({ to: z.string().nullable() });
const keptSchema = z.strictObject({
  until: z.int(),
  sealed: sealedSchema(recordsBounds.letterBytesMax),
});
const namedSchema = z.strictObject({ letterId: z.string() });

type Place = LetterCapability['letters'][number];

/** Keeps the letter that the ledger names, and the places of those that answer it. */
export async function putLetter(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof letterSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { pseudonym, letters } = readCapability('letter', receipt.result);
  const { store } = context;
  if (pseudonym !== null) {
    await requireNotRotated(store, pseudonym);
    await requireNotErased(store, { pseudonym });
  }
  const letter = letters.find(({ digest }) => digest === digestOfSealed(body.letter));
  if (!letter)
    throw new HttpError('share_mismatch', 'This is not the letter that the ledger names.');
  for (const place of letters) {
    const { letterId, to } = place;
    if (pseudonym !== null) {
      // Named first: what nobody finds again could not be deleted.
      await store.stage([{ key: wrapKeys.lettersOf(pseudonym, letterId), value: { letterId } }]);
    }
    await store.insert(wrapKeys.letterState(letterId), { to });
  }
  await keep(context, letter, body.letter);
  return { status: 200, body: { letterId: letter.letterId } };
}

/** What is there for the caller's key, or for who knows the secret of a box. */
export async function fetchLetters(
  context: RecordsContext,
  request: HttpRequest,
  { secret, after }: z.infer<typeof fetchLettersSchema>,
): Promise<HttpAnswer> {
  const { kid } = await requireCaller(context, request);
  const { pk } = wrapKeys.letter(secret === undefined ? kid : letterBox(secret), '');
  const page = await context.store.list(pk, {
    limit: PAGE_ITEMS,
    ...(after === undefined ? {} : { after }),
  });
  const letters = [];
  for (const { sk, value } of page) {
    const { until, sealed } = parseWith(keptSchema, value);
    if (until > context.now()) letters.push({ letterId: sk, ...sealed });
    else await context.store.remove([{ pk, sk }]);
  }
  const next = page.length < PAGE_ITEMS ? {} : { next: page.at(-1)?.sk };
  return { status: 200, body: { letters, ...next } };
}

/** Forgets letters that were taken back, for good. */
export async function withdrawLetters(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof withdrawLettersSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { letterIds } = readCapability('recall', receipt.result);
  for (const letterId of letterIds) await forget(context, letterId);
  return { status: 200, body: { letterIds } };
}

/** Deletes all letters about a patient: those that answer, too. */
export async function forgetLetters(context: RecordsContext, pseudonym: string): Promise<void> {
  const { pk } = wrapKeys.lettersOf(pseudonym, '');
  await emptyPartition(context.store, pk, ({ value }) =>
    forget(context, parseWith(namedSchema, value).letterId),
  );
}

async function keep(
  context: RecordsContext,
  { letterId, to, until }: Place,
  sealed: z.infer<typeof letterSchema>['letter'],
): Promise<void> {
  const { store } = context;
  const stateKey = wrapKeys.letterState(letterId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const [state, kept] = await Promise.all([
      store.get(stateKey),
      store.get(wrapKeys.letter(to, letterId)),
    ]);
    if (!state || parseWith(stateSchema, state.value).to !== to) {
      throw new HttpError('share_superseded', 'This letter was taken back.');
    }
    const done = await store.transact([
      { key: stateKey, expected: state.version, value: { to } },
      {
        key: wrapKeys.letter(to, letterId),
        expected: kept?.version ?? null,
        value: { until, sealed },
      },
    ]);
    if (done) return;
  }
  throw conflict();
}

async function forget({ store }: RecordsContext, letterId: string): Promise<void> {
  const key = wrapKeys.letterState(letterId);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const item = await store.get(key);
    const to = item && parseWith(stateSchema, item.value).to;
    const gone = { to: null };
    const isDone = await (item ? store.replace(key, item.version, gone) : store.insert(key, gone));
    if (!isDone) continue;
    if (to) await store.remove([wrapKeys.letter(to, letterId)]);
    return;
  }
  throw conflict();
}
