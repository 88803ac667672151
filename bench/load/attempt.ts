/** What became of each request of a load, and figures of all of them. */
import { percentile } from '../report.ts';
import { type Kind, kinds, mix } from './mix.ts';
import type { Step } from './schedule.ts';

/**
 * `sent`: nobody answered yet. `held`: a validator took the transaction. `done`: its certified
 * receipt, or the query's answer, verified. `refused`: by an API, or by the ledger. `failed`: no
 * answer that says anything.
 */
export type State = 'sent' | 'held' | 'done' | 'refused' | 'failed';

export interface Attempt {
  kind: Kind;
  /** When it was due, milliseconds since the epoch: all its times count from here. */
  readonly dueMs: number;
  readonly validator: string;
  /** When it was begun, and when it was signed and on its way; milliseconds since the epoch. */
  begunMs: number | null;
  sentMs: number | null;
  /** Of a transaction, once it is signed. */
  id: string | null;
  state: State;
  /** Why, where it is refused or failed. */
  code: string;
  /** HTTP status that refused it, else null. */
  status: number | null;
  /** What the refusal asks for; null where it asks for nothing. */
  retryAfterMs: number | null;
  /** When the API answered, milliseconds since the epoch. */
  answeredMs: number | null;
  /** When the receipt or answer had been verified. */
  doneMs: number | null;
  /** Of the certified receipt. */
  height: number | null;
  /** Time that its block says, milliseconds since the epoch. */
  blockMs: number | null;
}

export function newAttempt(kind: Kind, dueMs: number, validator: string): Attempt {
  const open = { id: null, state: 'sent', code: '', status: null, retryAfterMs: null } as const;
  const later = {
    ...{ begunMs: null, sentMs: null, answeredMs: null, doneMs: null },
    ...{ height: null, blockMs: null },
  };
  return { kind, dueMs, validator, ...open, ...later };
}

export interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface KindFigures {
  readonly kind: Kind;
  readonly sent: number;
  readonly done: number;
  readonly refused: number;
  readonly failed: number;
  /** Neither refused nor done when the run ended. */
  readonly open: number;
  /** Until the API answered, milliseconds from when it was due; null where nothing was. */
  readonly answered: Spread | null;
  /** Until the certified receipt, or the answer, had been verified. */
  readonly verified: Spread | null;
}

/** How late the load itself was, milliseconds after a request was due; null where nothing was begun. */
export interface LagFigures {
  readonly begun: Spread | null;
  /** With certificates fetched and all signed. */
  readonly sent: Spread | null;
}

export interface ErrorFigures {
  readonly code: string;
  /** HTTP status, or null where nothing answered or the ledger itself refused. */
  readonly status: number | null;
  readonly count: number;
  /** How many of them said when to come again. */
  readonly withRetryAfter: number;
  /** How many of them stand on the ledger all the same: the answer was lost, not the transaction. */
  readonly committed: number;
}

export interface StepFigures {
  /** Requests a second that were due. */
  readonly ratePerSecond: number;
  /** Transactions a second: due, taken by a validator, in certified blocks of this time. */
  readonly due: number;
  readonly taken: number;
  readonly committed: number;
  /** Answers 429. */
  readonly tooMany: number;
}

export function kindFigures(attempts: readonly Attempt[]): KindFigures[] {
  return kinds.flatMap((kind) => {
    const of = attempts.filter((one) => one.kind === kind);
    if (of.length === 0) return [];
    const count = (state: State): number => of.filter((one) => one.state === state).length;
    return [
      {
        kind,
        sent: of.length,
        done: count('done'),
        refused: count('refused'),
        failed: count('failed'),
        open: count('sent') + count('held'),
        answered: spreadOf(of.flatMap((one) => sinceDue(one, one.answeredMs))),
        verified: spreadOf(of.flatMap((one) => sinceDue(one, one.doneMs))),
      },
    ];
  });
}

export function lagFigures(attempts: readonly Attempt[]): LagFigures {
  return {
    begun: spreadOf(attempts.flatMap((one) => sinceDue(one, one.begunMs))),
    sent: spreadOf(attempts.flatMap((one) => sinceDue(one, one.sentMs))),
  };
}

/** By code and status, the most frequent first. */
export function errorFigures(attempts: readonly Attempt[]): ErrorFigures[] {
  const found = new Map<string, ErrorFigures>();
  for (const { code, status, retryAfterMs, height } of attempts) {
    if (code === '') continue;
    const name = `${code} ${status ?? ''}`;
    const none = { code, status, count: 0, withRetryAfter: 0, committed: 0 };
    const { count, withRetryAfter, committed } = found.get(name) ?? none;
    found.set(name, {
      ...{ code, status, count: count + 1 },
      withRetryAfter: withRetryAfter + (retryAfterMs === null ? 0 : 1),
      committed: committed + (height === null ? 0 : 1),
    });
  }
  return [...found.values()].sort((a, b) => b.count - a.count);
}

/** Transactions by the step in which they were due, and blocks by the time that they say. */
export function stepFigures(
  attempts: readonly Attempt[],
  steps: readonly Step[],
  startMs: number,
): StepFigures[] {
  return steps.map(({ fromSeconds, seconds, ratePerSecond }) => {
    const from = startMs + fromSeconds * 1_000;
    const isWithin = (ms: number | null): boolean =>
      ms !== null && ms >= from && ms < from + seconds * 1_000;
    const due = attempts.filter((one) => isWithin(one.dueMs));
    const transactions = due.filter((one) => mix[one.kind].isTransaction);
    const perSecond = (of: readonly Attempt[]): number => of.length / seconds;
    return {
      ratePerSecond,
      due: perSecond(transactions),
      taken: perSecond(transactions.filter((one) => isTaken(one))),
      committed: perSecond(attempts.filter((one) => isWithin(one.blockMs))),
      tooMany: due.filter(({ status }) => status === 429).length,
    };
  });
}

/** Transactions with a certified receipt, also where it says that the ledger refused. */
export function certified(attempts: readonly Attempt[]): { id: string; height: number }[] {
  return attempts.flatMap(({ id, height }) =>
    id === null || height === null ? [] : [{ id, height }],
  );
}

/** A validator said that it holds it, or a block has it. */
export function isTaken({ kind, state, height }: Attempt): boolean {
  return mix[kind].isTransaction && (state === 'held' || height !== null);
}

export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const at = (share: number): number => Math.round(percentile(values, share));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function sinceDue({ dueMs }: Attempt, ms: number | null): number[] {
  return ms === null ? [] : [ms - dueMs];
}
