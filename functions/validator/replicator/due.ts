/** Which patients the replicator has to look at, and when: kept before anything else moves. */

import { z } from 'zod';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { ItemStore } from '../../aws/item-store.ts';

const DUE = 'due';
const TIME_DIGITS = 14;
const PATIENTS = 'patients';
const PATIENTS_PAGE = 100;
const patientSchema = z.strictObject({
  /** The look that is next. */
  sk: z.string(),
  /** When what the custodian holds was compared last. */
  auditedAt: z.int(),
});

/** A patient whose copies are to be compared with the ledger. */
export interface Due {
  readonly sk: string;
  readonly at: number;
  readonly pseudonym: string;
}

/** In the order of their times; those of the future too. */
export async function dueList(store: ItemStore, limit: number): Promise<Due[]> {
  const page = await store.list(DUE, { limit });
  return page.map(({ sk }) => {
    const [time = '', pseudonym = ''] = [sk.slice(0, TIME_DIGITS), sk.slice(TIME_DIGITS + 1)];
    return { sk, at: Number(time), pseudonym };
  });
}

/** Asks for a look at these patients now. The same again is harmless. */
export async function markDue(
  store: ItemStore,
  pseudonyms: readonly string[],
  at: number,
): Promise<void> {
  const entries = pseudonyms.map((pseudonym) => ({ key: keyOf(at, pseudonym), value: {} }));
  if (entries.length > 0) await store.stage(entries);
}

/** When the custodian's bytes of a patient were compared last; 0 for never. */
export async function auditedAt(store: ItemStore, pseudonym: string): Promise<number> {
  const item = await store.get({ pk: PATIENTS, sk: pseudonym });
  return item ? parseWith(patientSchema, item.value).auditedAt : 0;
}

/** The look was taken: one further one is kept for a patient, or none. */
export async function settleDue(
  store: ItemStore,
  { sk, pseudonym }: Due,
  next: { at: number; auditedAt: number } | null,
): Promise<void> {
  const key = { pk: PATIENTS, sk: pseudonym };
  const item = await store.get(key);
  const before = item ? parseWith(patientSchema, item.value).sk : sk;
  if (next) {
    const later = keyOf(next.at, pseudonym);
    await store.stage([{ key: later, value: {} }]);
    await store.stage([{ key, value: { sk: later.sk, auditedAt: next.auditedAt } }]);
    await forget(
      store,
      [sk, before].filter((one) => one !== later.sk),
    );
  } else {
    await store.remove([key]);
    await forget(store, [sk, before]);
  }
}

/** Every patient of whom the hospital holds something is due now. */
export async function markAllDue(store: ItemStore, at: number): Promise<void> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list(PATIENTS, {
      limit: PATIENTS_PAGE,
      ...(after === undefined ? {} : { after }),
    });
    await markDue(
      store,
      page.map(({ sk }) => sk),
      at,
    );
    after = page.at(-1)?.sk;
    if (page.length < PATIENTS_PAGE) return;
  }
}

async function forget(store: ItemStore, sks: readonly string[]): Promise<void> {
  await store.remove([...new Set(sks)].map((sk) => ({ pk: DUE, sk })));
}

function keyOf(at: number, pseudonym: string): { pk: string; sk: string } {
  return { pk: DUE, sk: `${String(at).padStart(TIME_DIGITS, '0')}#${pseudonym}` };
}
