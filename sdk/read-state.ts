/** Reads proven state: not older than what was seen, or fresh by the word of a quorum. */
import { quorumSize } from '../lib/wire/validators.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import { backOffMs } from './clock.ts';
import { SdkError } from './errors.ts';
import { problemError, problemOf } from './http.ts';
import type { ProvenAnswer } from './proofs.ts';
import { Refusals } from './refusals.ts';
import type { SettleContext } from './settle.ts';
import { postQuery } from './validator-api.ts';
import type { ValidatorAddress } from './validator-pool.ts';

const READ_MS_MAX = 20_000;
/** How long a height that somebody claims to have voted for is waited for. */
const CLAIM_MS_MAX = 5_000;
const RETRY_BASE_MS = 100;
const RETRY_MAX_MS = 1_000;

/** The value of a query at a head not older than any that this client verified before. */
export async function readSeen(query: Transaction, context: SettleContext): Promise<unknown> {
  const seen = context.proofs.seenOf(query.ledger);
  return (await readAt(query, context, seen, READ_MS_MAX)).value();
}

/**
 * The value at a head that holds every block committed before the call. Each block was voted for
 * by a quorum, two quorums share an honest validator, and it signs the highest height that it
 * voted for: so no committed block is above the highest height of a quorum of answers. Where that
 * height does not come (one that lies may claim it), the set of validators changes meanwhile, or
 * too few of the set in force are known here, `order` commits a transaction: whatever was committed
 * before the call is below its height.
 */
export async function readFresh(
  query: Transaction,
  context: SettleContext,
  order: () => Promise<number>,
): Promise<unknown> {
  const answers = await askQuorum(query, context);
  const wanted = Math.max(
    context.proofs.seenOf(query.ledger),
    ...answers.map((one) => Math.max(one.height, one.votedHeight)),
  );
  const best = answers.find((one) => one.height >= wanted);
  const answer = best ?? (await patiently(readAt(query, context, wanted, CLAIM_MS_MAX)));
  const isWhole = isQuorum(answers) && isOneSet([...answers, ...(answer ? [answer] : [])]);
  if (answer && isWhole) return answer.value();
  const height = await order();
  return (await readAt(query, context, height, READ_MS_MAX)).value();
}

/** Of the set that the answers prove, however many validators are known here. */
function isQuorum(answers: readonly ProvenAnswer[]): boolean {
  const seats = Math.max(...answers.map((one) => one.seats));
  return answers.length > 0 && answers.length >= quorumSize(seats);
}

/** Quorums of two sets need not meet. */
function isOneSet(answers: readonly ProvenAnswer[]): boolean {
  return new Set(answers.flatMap(({ sets }) => sets)).size === 1;
}

/** Null where no validator came so far in time. */
async function patiently(reading: Promise<ProvenAnswer>): Promise<ProvenAnswer | null> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof SdkError && error.code === 'unreachable') return null;
    throw error;
  }
}

/** Asks one validator after the other until one proves a head of `heightMin` or above. */
async function readAt(
  query: Transaction,
  context: SettleContext,
  heightMin: number,
  patienceMs: number,
): Promise<ProvenAnswer> {
  const { clock, pool, signal } = context;
  const deadline = clock.now() + patienceMs;
  const refusals = new Refusals(pool.all.length);
  let failure: unknown = null;
  for (let round = 0; clock.now() < deadline && !signal?.aborted; round += 1) {
    for (const validator of pool.inOrder()) {
      if (round > 0 && pool.restMs(validator.id) > 0) continue;
      try {
        const answer = await ask(validator, query, context, refusals);
        if (!answer) continue;
        if (answer.height >= heightMin) {
          pool.worked(validator.id);
          return answer;
        }
        failure = behind(validator.id, answer.height, heightMin);
      } catch (error) {
        failure = tolerate(error, validator, context);
      }
    }
    throwIfRefused(refusals, clock.now());
    await clock.sleep(backOffMs(round, RETRY_BASE_MS, RETRY_MAX_MS), signal);
  }
  throw failure instanceof SdkError ? failure : unanswered(failure);
}

/**
 * Verified answers of a quorum of distinct validators, asked all at once; of fewer where others
 * take part than this client knows.
 */
async function askQuorum(
  query: Transaction,
  context: SettleContext,
): Promise<readonly ProvenAnswer[]> {
  const { pool, clock, signal } = context;
  const deadline = clock.now() + READ_MS_MAX;
  const refusals = new Refusals(pool.all.length);
  let failure: unknown = null;
  for (let round = 0; clock.now() < deadline && !signal?.aborted; round += 1) {
    const answers: ProvenAnswer[] = [];
    const enough = Promise.withResolvers<void>();
    const asked = pool.all.map(async (validator) => {
      try {
        const answer = await ask(validator, query, context, refusals);
        if (answer) answers.push(answer);
        if (isQuorum(answers)) enough.resolve();
      } catch (error) {
        try {
          failure = tolerate(error, validator, context);
        } catch (fatal) {
          enough.reject(fatal);
        }
      }
    });
    await Promise.race([Promise.all(asked), enough.promise]);
    // Those of another set may be unknown here: then asking again brings no quorum.
    const isOther = answers.some(({ sets }) => sets[0] !== pool.setHash);
    if (isQuorum(answers) || isOther) return [...answers];
    throwIfRefused(refusals, clock.now());
    await clock.sleep(backOffMs(round, RETRY_BASE_MS, RETRY_MAX_MS), signal);
  }
  const wanted = quorumSize(pool.all.length);
  throw new SdkError('unreachable', `Fewer than ${wanted} validators prove what is newest.`, {
    nextStep: 'See with `carequorum network` which validators work.',
    cause: failure,
  });
}

/** One answer, verified; null where the validator refused. Throws where it fails or lies. */
async function ask(
  validator: ValidatorAddress,
  query: Transaction,
  context: SettleContext,
  refusals: Refusals,
): Promise<ProvenAnswer | null> {
  const said = await postQuery(validator, query, context);
  if (said.outcome === 'answered') {
    refusals.forget(validator.id);
    const now = context.clock.now();
    return context.proofs.answer(said.answer, query, { validator: validator.id, now });
  }
  const { answer } = said;
  const { code } = problemOf(answer);
  context.notify({ type: 'refused', validator: validator.id, code });
  if (answer.status === 429 || answer.status >= 500) {
    if (answer.retryAfterMs === null) context.pool.failed(validator.id);
    else context.pool.busy(validator.id, answer.retryAfterMs);
    throw problemError(answer, validator.id);
  }
  refusals.note(validator.id, answer, context.clock.now());
  return null;
}

/** A failure of one validator is no failure of the read; anything else is thrown on. */
function tolerate(error: unknown, validator: ValidatorAddress, context: SettleContext): SdkError {
  if (!(error instanceof SdkError) || error.code === 'aborted') throw error;
  if (error.code === 'not_proven') {
    context.pool.lied(validator.id);
    context.notify({ type: 'lied', validator: validator.id, reason: error.message });
  } else if (error.code === 'unreachable' || error.code === 'bad_answer') {
    context.pool.failed(validator.id);
    context.notify({ type: 'unreachable', validator: validator.id, reason: error.message });
  } else if (error.code !== 'problem' && error.code !== 'not_initialised') {
    throw error;
  }
  return error;
}

function throwIfRefused(refusals: Refusals, now: number): void {
  const verdict = refusals.verdict(now);
  if (verdict) throw verdict;
}

function behind(validator: string, height: number, wanted: number): SdkError {
  return new SdkError('unreachable', `${validator} is at block ${height}, not yet at ${wanted}.`, {
    nextStep: 'Wait a few seconds and run the command again.',
  });
}

function unanswered(cause: unknown): SdkError {
  return new SdkError('unreachable', 'No validator answered in time.', {
    nextStep: 'See with `carequorum network` which validators work.',
    ...(cause === null ? {} : { cause }),
  });
}
