/** Releases to studies at the custodian: sealed to others, kept until the ledger lets them go. */

import { z } from 'zod';
import { recordsBounds } from '../../lib/records/bounds.ts';
import { readCapability } from '../../lib/records/capability.ts';
import { digestOfRows } from '../../lib/records/release-rows.ts';
import { digestOfSealed, sealedSchema } from '../../lib/records/sealed.ts';
import { wrapKeys } from '../../lib/records/wrap-keys.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer, HttpRequest } from '../aws/http.ts';
import { requireReader } from '../aws/permit.ts';
import { HttpError } from '../aws/problems.ts';
import type { RecordsContext } from './context.ts';
import { requireReceipt } from './permit.ts';
import { conflict } from './record-state.ts';
import type {
  collectSchema,
  publicationSchema,
  publishedSchema,
  releaseSchema,
  withdrawalSchema,
} from './release-routes.ts';

const PAGE_CHARS_MAX = 4_500_000;
const PAGE_ITEMS = 100;
/** Rows of one answer: each is at most 8 KB of text. */
const ROWS_PAGE = 400;

const rowField = sealedSchema(recordsBounds.releaseRowBytesMax);
const keptRow = z.strictObject({ participant: z.string(), row: rowField });
const keptPayload = z.strictObject({ payload: sealedSchema(recordsBounds.releaseBytesMax) });
const keptPublished = z.strictObject({ row: rowField });
const keptWithdrawal = z.strictObject({ at: z.int() });

/**
 * Keeps a release under the study and the participant; both sealed parts are those of the ledger.
 */
export async function putRelease(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof releaseSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('release', receipt.result);
  const { studyId, participant, sequence } = permit;
  const { store } = context;
  const withdrawal = await store.get(wrapKeys.withdrawn(studyId, participant));
  if (withdrawal && receipt.time <= parseWith(keptWithdrawal, withdrawal.value).at) {
    throw new HttpError('release_withdrawn', 'The patient withdrew from the study.');
  }
  const isNamed =
    digestOfSealed(body.row) === permit.rowDigest &&
    digestOfSealed(body.payload) === permit.payloadDigest;
  if (!isNamed) throw new HttpError('share_mismatch', 'This is not the release of the ledger.');
  const payloadKey = wrapKeys.release(studyId, participant, sequence);
  await store.insert(payloadKey, { payload: body.payload });
  const row = { participant, row: body.row };
  await store.insert(wrapKeys.releaseRow(studyId, sequence), row);
  return { status: 200, body: { studyId, sequence } };
}

/** What is counted, for the coordinator whom the receipt names. */
export async function fetchRows(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof collectSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('collect', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  const { pk } = wrapKeys.releaseRow(permit.studyId, 0);
  const after = body.after === undefined ? undefined : sortKey(permit.studyId, body.after);
  const page = await context.store.list(pk, {
    limit: ROWS_PAGE,
    ...(after === undefined ? {} : { after }),
  });
  const rows = page.map(({ sk, value }) => ({
    sequence: Number(sk),
    ...parseWith(keptRow, value),
  }));
  const next = page.length < ROWS_PAGE ? {} : { next: rows.at(-1)?.sequence };
  return { status: 200, body: { rows, ...next } };
}

/** Keeps the rows of a publication; together they are what the ledger has a digest of. */
export async function putPublication(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof publicationSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { studyId, batch, rowsDigest } = readCapability('publication', receipt.result);
  const digests = body.rows.map(({ participant, row }) => ({
    participant,
    digest: digestOfSealed(row),
  }));
  if (digestOfRows(digests) !== rowsDigest) {
    throw new HttpError('share_mismatch', 'These are not the rows that the ledger names.');
  }
  for (const { participant, row } of body.rows) {
    await context.store.insert(wrapKeys.published(studyId, batch, participant), { row });
  }
  return { status: 200, body: { studyId, batch } };
}

/** A publication for the researcher: those whom the receipt names, a few at a time. */
export async function fetchPublication(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof publishedSchema>,
): Promise<HttpAnswer> {
  const { proof, receipt } = await requireReceipt(context, request, body.receipt);
  const permit = readCapability('studyAccess', receipt.result);
  requireReader(context, { proof, receipt }, permit);
  const { store } = context;
  const { studyId, batch, members: wanted } = permit;
  const rows = await publishedRows(context, studyId, batch);
  const digests = [...rows].map(([participant, row]) => ({
    participant,
    digest: digestOfSealed(row),
  }));
  const members: unknown[] = [];
  let characters = 0;
  for (let at = body.after ?? 0; at < wanted.length; at += 1) {
    const { participant, releases } = wanted[at] as (typeof wanted)[number];
    const row = rows.get(participant);
    const payloads = await keptOf(context, studyId, participant, releases);
    if (!row || !payloads) {
      // Whoever withdrew since the receipt was given is left out, too.
      if (await store.get(wrapKeys.withdrawn(studyId, participant))) continue;
      throw notThere();
    }
    characters += JSON.stringify(payloads).length + row.ciphertext.length + row.enc.length;
    if (members.length > 0 && characters > PAGE_CHARS_MAX) {
      return { status: 200, body: { members, digests, next: at } };
    }
    members.push({ participant, row, releases: payloads });
  }
  return { status: 200, body: { members, digests } };
}

/** Deletes what went to a study of a participant, and takes no older receipt of the one again. */
export async function withdrawReleases(
  context: RecordsContext,
  request: HttpRequest,
  body: z.infer<typeof withdrawalSchema>,
): Promise<HttpAnswer> {
  const { receipt } = await requireReceipt(context, request, body.receipt);
  const { studyId, participant } = readCapability('withdraw', receipt.result);
  const { store } = context;
  const key = wrapKeys.withdrawn(studyId, participant);
  const item = await store.get(key);
  const before = item ? parseWith(keptWithdrawal, item.value).at : 0;
  const mark = { at: Math.max(before, receipt.time) };
  const isDone = await (item ? store.replace(key, item.version, mark) : store.insert(key, mark));
  if (!isDone) throw conflict();
  const { pk } = wrapKeys.release(studyId, participant, 0);
  let count = 0;
  for (;;) {
    const page = await store.list(pk, { limit: PAGE_ITEMS });
    await store.remove(page.map(({ sk }) => wrapKeys.releaseRow(studyId, Number(sk))));
    await store.remove(page.map(({ sk }) => ({ pk, sk })));
    count += page.length;
    if (page.length < PAGE_ITEMS) return { status: 200, body: { studyId, releases: count } };
  }
}

/** The payloads of one participant, or null where one is not there. */
async function keptOf(
  { store }: RecordsContext,
  studyId: string,
  participant: string,
  sequences: readonly number[],
) {
  const items = await Promise.all(
    sequences.map((sequence) => store.get(wrapKeys.release(studyId, participant, sequence))),
  );
  const payloads = items.flatMap((item, at) =>
    item ? [{ sequence: sequences[at] as number, ...parseWith(keptPayload, item.value) }] : [],
  );
  return payloads.length === sequences.length ? payloads : null;
}

async function publishedRows(context: RecordsContext, studyId: string, batch: number) {
  const { pk } = wrapKeys.published(studyId, batch, '');
  const rows = new Map<string, z.infer<typeof rowField>>();
  for (let after = ''; ;) {
    const page = await context.store.list(pk, {
      limit: PAGE_ITEMS,
      ...(after === '' ? {} : { after }),
    });
    for (const { sk, value } of page) rows.set(sk, parseWith(keptPublished, value).row);
    if (page.length < PAGE_ITEMS) return rows;
    after = page.at(-1)?.sk ?? '';
  }
}

function sortKey(studyId: string, sequence: number): string {
  return wrapKeys.releaseRow(studyId, sequence).sk;
}

function notThere(): HttpError {
  return new HttpError('release_not_here', 'Not all of this publication was deposited yet.');
}
