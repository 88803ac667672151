/** Orders to erase, brought to the custodian by hospitals until the ledger says that it obeyed. */

import { z } from 'zod';
import { cells } from '../../../lib/chaincode/cells.ts';
import { CUSTODIAN_PARTY } from '../../../lib/chaincode/copy-values.ts';
import type { Reader } from '../../../lib/chaincode/draft.ts';
import { parseWith } from '../../../lib/wire/codec.ts';
import type { TransactionResult } from '../../../lib/wire/result.ts';
import { transactionIdField } from '../../../lib/wire/fields.ts';
import type { ItemKey, ItemStore } from '../../aws/item-store.ts';
import { CustodianAway, type ReplicatorContext } from './context.ts';
import { bringErasure, CustodianRefused } from './custodian.ts';
import { orderReceipt } from './order-receipt.ts';
import { endOwnEscrows, EscrowRefused } from './own-escrow.ts';
import { type Certified, say } from './say.ts';

const OPEN = 'erasures';
/** Orders that something is in the way of, by the time of their next turn. */
const STUCK = 'erasures-stuck';
/** Orders of each kind that are brought in one run. */
const ORDERS_MAX = 50;
const TIME_DIGITS = 14;
/** The first wait, which doubles each time, and the longest. */
const WAIT_MS = 20_000;
const WAIT_MS_MAX = 3_600_000;
/** From this try on the operator is told. */
const ALARM_TRIES = 3;
/** Calls to a custodian that says that it is still at work. */
const TURNS_MAX = 3;

const stuckSchema = z.strictObject({ tries: z.int().min(1), since: z.int() });
const orderSchema = z.looseObject({
  pseudonym: z.string(),
  recordIds: z.array(z.string()).optional(),
  pseudonyms: z.array(z.string()).optional(),
});

/** An order, and how often something was in its way since when. */
interface Turn {
  readonly transaction: string;
  readonly key: ItemKey;
  readonly tries: number;
  readonly since: number;
}

/** Keeps the committed orders of a block, before the next block is looked at. */
export async function noteErasures(
  store: ItemStore,
  results: readonly TransactionResult[],
): Promise<void> {
  const orders = results.filter(({ status, value }) => {
    const { fn } = (value ?? {}) as { fn?: unknown };
    return status === 'COMMITTED' && (fn === 'record.erase' || fn === 'patient.erase');
  });
  const entries = orders.map(({ id, value }) => {
    return { key: { pk: OPEN, sk: transactionIdField.parse(id) }, value };
  });
  if (entries.length > 0) await store.stage(entries);
}

/**
 * Brings those whose turn it is; none is dropped before the ledger says that the custodian obeyed.
 * Whatever is in the way of one keeps no other waiting. Gives when there is more to do, or null.
 */
export async function bringErasures(
  context: ReplicatorContext,
  state: Reader,
): Promise<number | null> {
  let isAway = false;
  for (const turn of await turns(context)) {
    try {
      isAway = !(await bringOne(context, state, turn, isAway)) || isAway;
    } catch (error) {
      await putOff(context, turn, error);
    }
  }
  if (isAway) return WAIT_MS;
  if ((await context.store.list(OPEN, { limit: 1 })).length > 0) return 0;
  const [next] = await context.store.list(STUCK, { limit: 1 });
  return next ? Math.max(0, timeIn(next.sk) - context.now()) : null;
}

async function turns(context: ReplicatorContext): Promise<Turn[]> {
  const { store } = context;
  const started = context.now();
  const open = await store.list(OPEN, { limit: ORDERS_MAX });
  const stuck = await store.list(STUCK, { limit: ORDERS_MAX });
  return [
    ...open.map(({ sk }) => {
      return { transaction: sk, key: { pk: OPEN, sk }, tries: 0, since: started };
    }),
    ...stuck
      .filter(({ sk }) => timeIn(sk) <= started)
      .map(({ sk, value }) => {
        const transaction = sk.slice(TIME_DIGITS + 1);
        return { transaction, key: { pk: STUCK, sk }, ...parseWith(stuckSchema, value) };
      }),
  ];
}

/** False where the custodian is away: the order keeps its turn. */
async function bringOne(
  context: ReplicatorContext,
  state: Reader,
  { transaction, key }: Turn,
  isAway: boolean,
): Promise<boolean> {
  const order = await orderReceipt(context, transaction);
  const isOpen = !(await isAcknowledged(state, order.result.value));
  const settle = (sent: Certified): Promise<boolean> => obeyed(context, sent, { isOpen, isAway });
  let isThere: boolean;
  try {
    isThere = await settle(order);
  } catch (error) {
    if (!isStale(error)) throw error;
    context.log({ event: 'erasure renewed' });
    isThere = await settle(await renewed(context, order));
  }
  if (isThere) await context.store.remove([key]);
  return isThere;
}

/** Brings an order to the own escrow, and to the custodian while that has not said that it obeyed. */
async function obeyed(
  context: ReplicatorContext,
  sent: Certified,
  { isOpen, isAway }: { isOpen: boolean; isAway: boolean },
): Promise<boolean> {
  const [own] = await Promise.allSettled([endOwnEscrows(context, sent)]);
  if (isOpen) {
    if (isAway) return false;
    try {
      await bring(context, sent.receipt);
    } catch (error) {
      if (!(error instanceof CustodianAway)) throw error;
      context.log({ event: 'custodian away', error });
      return false;
    }
  }
  // The own validator's escrow is nothing that the custodian has to wait for, nor the other way.
  if (own.status === 'rejected') throw own.reason;
  return true;
}

/** It was certified by validators who were replaced since, and lay too long. */
function isStale(error: unknown): boolean {
  const isRefused = error instanceof CustodianRefused || error instanceof EscrowRefused;
  return isRefused && error.code === 'receipt_stale_set';
}

/** The same order, certified by the validators of now. */
async function renewed(context: ReplicatorContext, { result }: Certified): Promise<Certified> {
  const { pseudonym, recordIds } = parseWith(orderSchema, result.value);
  const args = recordIds ? { recordIds } : { pseudonym };
  return say(context, { fn: 'erasure.renew', args });
}

async function bring(context: ReplicatorContext, receipt: Uint8Array): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    if (await bringErasure(context, receipt)) return;
  }
  throw new Error('the custodian is still at work on an order to erase');
}

/** Its next turn comes later and later; a crash in between leaves it twice, which is harmless. */
async function putOff(context: ReplicatorContext, turn: Turn, error: unknown): Promise<void> {
  const { store } = context;
  const now = context.now();
  const { transaction, key, since } = turn;
  const tries = turn.tries + 1;
  const at = now + Math.min(WAIT_MS * 2 ** (tries - 1), WAIT_MS_MAX);
  const sk = `${String(at).padStart(TIME_DIGITS, '0')}#${transaction}`;
  await store.stage([{ key: { pk: STUCK, sk }, value: { tries, since } }]);
  await store.remove([key]);
  const code = error instanceof CustodianRefused ? { code: error.code } : {};
  const event = tries >= ALARM_TRIES ? 'erasure stuck' : 'erasure not brought';
  // The table names the order: its id leads to a pseudonym, which no log may hold.
  context.log({ event, attempt: tries, waited: now - since, ...code, error });
}

async function isAcknowledged(state: Reader, value: unknown): Promise<boolean> {
  const { pseudonym, pseudonyms = [pseudonym], recordIds } = parseWith(orderSchema, value);
  const orders = recordIds
    ? await state.many(recordIds.map(cells.recordErasure))
    : await state.many(pseudonyms.map(cells.patientErasure));
  return orders.every((one) => one?.acknowledged.some(({ party }) => party === CUSTODIAN_PARTY));
}

function timeIn(sk: string): number {
  return Number(sk.slice(0, TIME_DIGITS));
}
