/** Checks that what a client sees now extends what it saw before: a fork is told, not followed. */
import type { BlockHeader } from '../lib/wire/header.ts';
import { faultyMax } from '../lib/wire/validators.ts';
import { SdkError } from './errors.ts';
import { problemError, problemOf } from './http.ts';
import type { SettleContext } from './settle.ts';
import { getConsistency } from './validator-api.ts';
import type { ValidatorAddress } from './validator-pool.ts';

/**
 * Ties the newest header to the one that was remembered, by any validator's proof. Answers whether
 * they are tied; where nobody can tell now, the next call asks again. Throws `not_proven` where more
 * than f validators answer and none of them proves it.
 */
export async function requireOneHistory(context: SettleContext): Promise<boolean> {
  const { pool, proofs, notify, signal } = context;
  const { untied } = proofs;
  if (!untied) return true;
  let wrong = 0;
  for (const validator of pool.inOrder()) {
    if (signal?.aborted) return false;
    try {
      const heights = { from: untied.first.height, to: untied.last.height };
      const said = await getConsistency(validator, heights, context);
      if (said.outcome === 'refused') continue;
      await proofs.tie(said.proof, untied);
      return true;
    } catch (error) {
      if (!(error instanceof SdkError)) throw error;
      if (error.code !== 'not_proven') continue;
      wrong += 1;
      notify({ type: 'lied', validator: validator.id, reason: error.message });
    }
  }
  if (wrong <= faultyMax(pool.all.length)) return false;
  throw new SdkError('not_proven', forkText(untied.first.height, untied.last.height), {
    nextStep: 'Trust nothing of this network; tell its operators, and keep what you have.',
    details: { step: 'history_forked' },
  });
}

export interface HistoryVerdict {
  readonly id: string;
  /** Whether this validator proves a later block, has none, or does not prove it. */
  readonly state: 'extends' | 'nothing newer' | 'not proven';
  /** Height up to which its history extends what was seen; else that of what was seen. */
  readonly to: number;
  /** Why it is not proven, or empty. */
  readonly reason: string;
}

/** Asks every validator whether its history extends what was seen, from one height on. */
export async function compareHistories(
  context: SettleContext,
): Promise<{ from: number; validators: HistoryVerdict[] }> {
  const { pool, proofs } = context;
  const start = await proofs.historyStart();
  const from = start.height;
  const verdicts: HistoryVerdict[] = [];
  for (const { id, url } of pool.all) {
    const said = await historyOf({ id, url }, start, context).catch((error: unknown) => {
      if (error instanceof SdkError && error.code !== 'aborted') return error;
      throw error;
    });
    if (said instanceof SdkError) {
      verdicts.push({ id, state: 'not proven', to: from, reason: said.message });
    } else {
      const state = said > from ? 'extends' : 'nothing newer';
      verdicts.push({ id, state, to: said, reason: '' });
    }
  }
  return { from, validators: verdicts };
}

/** Height to which a validator's history extends `start`, or its own where it has nothing newer. */
async function historyOf(
  validator: ValidatorAddress,
  start: BlockHeader,
  context: SettleContext,
): Promise<number> {
  const said = await getConsistency(validator, { from: start.height }, context);
  if (said.outcome === 'answered') return context.proofs.follow(said.proof, start);
  const { code } = problemOf(said.answer);
  // `from` is not below its head: it is as far as this client, or behind.
  if (code === 'invalid_request') return start.height;
  throw problemError(said.answer, validator.id);
}

function forkText(first: number, last: number): string {
  return `Block ${last} does not follow from block ${first}, which was seen before.`;
}
