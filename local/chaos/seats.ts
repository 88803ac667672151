// Who has a seat, as the ledger proves it to an operator of another hospital; and what was done to it.
import { parseTransaction, type Transaction } from '../../lib/wire/transaction.ts';
import { type Members, networkMembers } from '../../sdk/governance.ts';
import { Operator } from '../../sdk/operator.ts';
import { openSession } from '../../sdk/session.ts';
import { LocalError } from '../lib/errors.ts';
import type { Block, ValidatorReader } from '../lib/validator-reader.ts';
import { type Stage, until } from './stage.ts';

export type Seat = Members['validators'][number];

const COMMIT_MS = 120_000;

/** An operator at work, through the API of its own hospital first. */
export function operatorAt(stage: Stage, hospital: string, preferred: string = hospital): Operator {
  return new Operator(openSession(stage.network, { preferred }), stage.operator(hospital));
}

/** The seats as the state has them: what is new in it acts two heights later. */
export async function seatsNow(stage: Stage): Promise<readonly Seat[]> {
  const operator = operatorAt(stage, stage.others[0]?.id ?? '');
  return (await networkMembers(operator, { signal: stage.signal })).validators;
}

export async function seatNow(stage: Stage, id: string): Promise<Seat> {
  const seat = (await seatsNow(stage)).find((one) => one.id === id);
  if (seat) return seat;
  throw new LocalError('unknown_account', `${id} has no seat on the ledger.`);
}

export interface FoundTransaction {
  readonly height: number;
  readonly transaction: Transaction;
}

/** Waits for a block from `height` on that holds a transaction of this function. */
export async function awaitTransaction(
  stage: Stage,
  reader: ValidatorReader,
  wanted: { readonly fn: string; readonly fromHeight: number },
  isIt: (transaction: Transaction) => boolean = () => true,
): Promise<FoundTransaction> {
  let next = wanted.fromHeight;
  const what = `No ${wanted.fn} was committed`;
  return until(stage, { withinMs: COMMIT_MS, what }, async () => {
    for (;;) {
      const { height } = await reader.health();
      if (next > height) return null;
      const found = transactionIn(await reader.block(next), wanted.fn, isIt);
      if (found) return { height: next, transaction: found };
      next += 1;
    }
  });
}

function transactionIn(
  block: Block | null,
  fn: string,
  isIt: (transaction: Transaction) => boolean,
): Transaction | undefined {
  return (block?.transactions ?? [])
    .map(parseTransaction)
    .find((transaction) => transaction.fn === fn && isIt(transaction));
}

/** Waits until the validator has committed that height, and answers its block. */
export async function awaitBlock(
  stage: Stage,
  reader: ValidatorReader,
  height: number,
): Promise<Block> {
  const what = `Block ${height} was not committed`;
  return until(stage, { withinMs: COMMIT_MS, what }, async () => {
    const health = await reader.health();
    return health.height >= height ? reader.block(height) : null;
  });
}
