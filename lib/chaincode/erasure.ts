/** Erasure on a ledger that forgets nothing: ordered by the patient, proven by who held it (§7). */
import { z } from 'zod';
import { identityOf, patientOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { type Cell, cells } from './cells.ts';
import { CUSTODIAN_PARTY, type Erasure } from './copy-values.ts';
import { forgetCopy } from './copy.ts';
import type { Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import { endAllEscrows, endedEscrows, endValue } from './escrow.ts';
import { distinct, idField, pseudonymField } from './fields.ts';
import { defineQuery, defineTransaction, type TransactionCall } from './functions.ts';
import { ownOrEarlier, pseudonymsOf, remember } from './history.ts';
import { keys } from './keys.ts';
import { erasureSigningBytes, guardField, requireGuard } from './rotation-guard.ts';

const recordIdsField = distinct(idField, 1, chaincodeBounds.copyRecordsMax);

export const recordErase = defineTransaction({
  name: 'record.erase',
  summary: 'The patient has records erased: access ends now, and every holder must destroy them.',
  roles: ['patient'],
  schema: z.strictObject({ recordIds: recordIdsField, guardSignature: guardField }),
  hints: ({ recordIds }) => recordIds.flatMap((id) => [keys.record(id), keys.recordErasure(id)]),
  async run({ recordIds, guardSignature }, call) {
    const { draft, context } = call;
    const { pseudonym } = patientOf(call.actor);
    const { network } = context;
    const signed = erasureSigningBytes({ network, pseudonym, recordIds });
    await requireGuard(call, pseudonym, signed, guardSignature);
    const erased = { time: context.time, height: context.height };
    const pseudonyms = await pseudonymsOf(draft.reader, pseudonym);
    const order = await newOrder(call, pseudonyms);
    for (const recordId of recordIds) {
      const record = await draft.get(cells.record(recordId));
      if (!record || !pseudonyms.includes(record.pseudonym)) {
        throw new ChaincodeError('unknown_record');
      }
      if (record.erased !== null) throw new ChaincodeError('record_erased');
      draft.put(cells.record(recordId), { ...record, erased });
      draft.put(cells.recordErasure(recordId), order);
      const { categoryTag, uploader } = record;
      await remember(call, pseudonym, { recordId, categories: [categoryTag] });
      await draft.notify({ subject: uploader.subject }, 'erasure.ordered', { recordId });
    }
    return { pseudonym, recordIds, holders: order.holders };
  },
});

export const patientErase = defineTransaction({
  name: 'patient.erase',
  summary: 'The patient has everything erased that is kept under this pseudonym or an earlier one.',
  roles: ['patient'],
  schema: z.strictObject({ guardSignature: guardField }),
  async run({ guardSignature }, call) {
    const { pseudonym } = patientOf(call.actor);
    const { network } = call.context;
    const signed = erasureSigningBytes({ network, pseudonym, recordIds: null });
    await requireGuard(call, pseudonym, signed, guardSignature);
    const pseudonyms = await pseudonymsOf(call.draft.reader, pseudonym);
    const order = await newOrder(call, pseudonyms);
    for (const one of pseudonyms) call.draft.put(cells.patientErasure(one), order);
    const ended = await endAllEscrows(call, pseudonym);
    await remember(call, pseudonym, {});
    return { pseudonym, pseudonyms, holders: order.holders, ...endValue(ended) };
  },
});

export const recordErased = defineTransaction({
  name: 'record.erased',
  summary: 'A holder says, under its signature, that nothing of these records is left with it.',
  roles: ['custodian', 'hospital'],
  schema: z.strictObject({ recordIds: recordIdsField }),
  hints: ({ recordIds }) => recordIds.flatMap((id) => [keys.record(id), keys.recordErasure(id)]),
  async run({ recordIds }, call) {
    const { draft } = call;
    const party = partyOf(call);
    for (const recordId of recordIds) {
      const record = await draft.get(cells.record(recordId));
      if (!record) throw new ChaincodeError('unknown_record');
      await acknowledge(call, cells.recordErasure(recordId), party);
      if (party !== CUSTODIAN_PARTY) await forgetCopy(draft, recordId, party);
      const { pseudonym, categoryTag } = record;
      await remember(call, pseudonym, { recordId, categories: [categoryTag] });
      await draft.notify({ pseudonym }, 'erasure.acknowledged', { recordId });
    }
    return { recordIds, party };
  },
});

export const patientErased = defineTransaction({
  name: 'patient.erased',
  summary: 'A holder says, under its signature, that nothing of this patient is left with it.',
  roles: ['custodian', 'hospital'],
  schema: z.strictObject({ pseudonym: pseudonymField }),
  hints: ({ pseudonym }) => [keys.patientErasure(pseudonym), keys.copiers(pseudonym)],
  async run({ pseudonym }, call) {
    const { draft } = call;
    const party = partyOf(call);
    await acknowledge(call, cells.patientErasure(pseudonym), party);
    const copiers = await draft.get(cells.copiers(pseudonym));
    if (copiers?.some(({ hospital }) => hospital === party)) {
      const left = copiers.filter(({ hospital }) => hospital !== party);
      draft.put(cells.copiers(pseudonym), left);
    }
    await remember(call, pseudonym, {});
    await draft.notify({ pseudonym }, 'erasure.acknowledged');
    return { pseudonym, party };
  },
});

export const erasureRenew = defineTransaction({
  name: 'erasure.renew',
  summary:
    'Certifies an order to erase anew, as it stands: validators who were replaced since have ' +
    'certified the first, and nobody takes their word any more.',
  roles: ['hospital'],
  schema: z
    .strictObject({ recordIds: recordIdsField.optional(), pseudonym: pseudonymField.optional() })
    .refine(
      ({ recordIds, pseudonym }) => (recordIds === undefined) !== (pseudonym === undefined),
      'one of them',
    ),
  hints: ({ recordIds = [], pseudonym }) => [
    ...recordIds.map(keys.recordErasure),
    ...(pseudonym === undefined ? [] : [keys.patientErasure(pseudonym)]),
  ],
  async run({ recordIds, pseudonym }, { draft: { reader } }) {
    if (recordIds !== undefined) {
      const orders = await reader.many(recordIds.map(cells.recordErasure));
      if (orders.includes(null)) throw new ChaincodeError('not_erased');
      return { recordIds };
    }
    const newest = pseudonym as string;
    if (!(await isPatientErased(reader, newest))) throw new ChaincodeError('not_erased');
    const pseudonyms: string[] = [];
    for (const one of await pseudonymsOf(reader, newest)) {
      if (await isPatientErased(reader, one)) pseudonyms.push(one);
    }
    return { pseudonyms, ...endValue(await endedEscrows(reader, newest)) };
  },
});

export const erasureGet = defineQuery({
  name: 'erasure.get',
  summary: 'Who must erase a record, or all of a patient, and who said that it is done.',
  roles: ['patient', 'custodian', 'hospital'],
  schema: z
    .strictObject({ recordId: idField.optional(), pseudonym: pseudonymField.optional() })
    .refine(({ recordId, pseudonym }) => !(recordId && pseudonym), 'one of them'),
  async run({ recordId, pseudonym }, { actor, reader }) {
    const own = actor.kind === 'patient' ? patientOf(actor).pseudonym : null;
    if (recordId !== undefined) {
      const record = await reader.get(cells.record(recordId));
      const isKnown =
        record && (own === null || (await pseudonymsOf(reader, own)).includes(record.pseudonym));
      if (!isKnown) throw new ChaincodeError('unknown_record');
      return answerOf(await reader.get(cells.recordErasure(recordId)));
    }
    if (pseudonym !== undefined) {
      const named = own === null ? pseudonym : await ownOrEarlier(reader, own, pseudonym);
      return answerOf(await reader.get(cells.patientErasure(named)));
    }
    if (own === null) throw new ChaincodeError('bad_arguments', 'name a record or a patient');
    return wholeAnswer(reader, await pseudonymsOf(reader, own));
  },
});

/** Whether everything of a patient was ordered to be erased. */
export async function isPatientErased(
  reader: Pick<Reader, 'get'>,
  pseudonym: string,
): Promise<boolean> {
  return (await reader.get(cells.patientErasure(pseudonym))) !== null;
}

/** The custodian holds everything; so may each hospital that was let to copy. */
async function newOrder(
  { draft, context, transactionId }: TransactionCall,
  pseudonyms: readonly string[],
): Promise<Erasure> {
  const copiers = await draft.reader.many(pseudonyms.map(cells.copiers));
  const hospitals = copiers.flatMap((list) => (list ?? []).map(({ hospital }) => hospital));
  const holders = [CUSTODIAN_PARTY, ...new Set(hospitals)];
  if (holders.length > chaincodeBounds.holdersMax) throw new ChaincodeError('too_many_copies');
  return {
    ordered: { time: context.time, height: context.height },
    transaction: transactionId,
    holders,
    acknowledged: [],
  };
}

function partyOf({ actor }: TransactionCall): string {
  const { role, identity } = identityOf(actor);
  if (role === 'custodian') return CUSTODIAN_PARTY;
  if (identity.hospital === null) throw new Error('a hospital’s key is of a hospital');
  return identity.hospital;
}

/** Said once, it counts; said again, it changes nothing. */
async function acknowledge(
  { draft, context, actor, transactionId }: TransactionCall,
  cell: Cell<Erasure>,
  party: string,
): Promise<void> {
  const erasure = await draft.get(cell);
  if (!erasure) throw new ChaincodeError('not_erased');
  if (!erasure.holders.includes(party)) throw new ChaincodeError('not_a_holder');
  if (erasure.acknowledged.some((one) => one.party === party)) return;
  const at = { time: context.time, height: context.height };
  const said = { party, kid: actor.kid, transaction: transactionId, at };
  draft.put(cell, { ...erasure, acknowledged: [...erasure.acknowledged, said] });
}

/** Of everything: it is over once nothing is left under any pseudonym that the patient had. */
async function wholeAnswer(reader: Reader, pseudonyms: readonly string[]) {
  const orders = await reader.many(pseudonyms.map(cells.patientErasure));
  const all = pseudonyms.map((pseudonym, at) => ({ pseudonym, ...answerOf(orders[at] ?? null) }));
  const [now, ...earlier] = all;
  const missing = [...new Set(all.flatMap((one) => one.missing))];
  return { erasure: now?.erasure ?? null, missing, earlier };
}

function answerOf(erasure: Erasure | null) {
  if (!erasure) return { erasure: null, missing: [] };
  const said = new Set(erasure.acknowledged.map(({ party }) => party));
  return { erasure, missing: erasure.holders.filter((one) => !said.has(one)) };
}
